"""Training of a classifier by a fixed recipe, for a part that needs one before it can measure."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from gan_experiments.augment.operations import RandomCrop
from gan_experiments.datasets.loader import CHUNK_SIZE, Pipeline
from gan_experiments.rng import stream_seed
from gan_experiments.types import Batch, ImageSet, UserError

log = logging.getLogger(__name__)
VALUE_RANGE = (-1.0, 1.0)


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: AdamW under the one-cycle policy of Smith & Topin 2018 (arXiv:1708.07120)."""

    epochs: int = 8
    min_steps: int = 2000  # small sets are seen more often, so that there are at least as many steps
    batch_size: int = 128
    learning_rate: float = 5e-3  # the highest, reached after the share `warm_up` of the steps
    warm_up: float = 0.2
    weight_decay: float = 1e-2
    crop_share: float = 1 / 8  # images are shifted by up to this share of a side


class ClassifierFit(pl.LightningModule):
    """Cross-entropy of `network(images, labels).class_logits`, with its accuracies after each epoch in `history`.

    Args:
        network: images (N×C×H×W, in [-1, 1]) and labels (N) to a `DiscriminatorOutput` with class logits.
        num_classes: number of classes.
        recipe: how to train.
        num_steps: number of steps over all epochs, for the learning rate.
    """

    def __init__(self, network: nn.Module, num_classes: int, recipe: Recipe, num_steps: int) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.num_steps = num_steps
        # Each process by itself: one alone may train a classifier, to measure.
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro", sync_on_compute=False)
        self.test_accuracy = MulticlassAccuracy(num_classes, average="micro", sync_on_compute=False)
        self.history: list[dict[str, float]] = []

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        logits = self._logits(batch)
        self.train_accuracy.update(logits.detach(), batch.labels)
        return F.cross_entropy(logits, batch.labels)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.test_accuracy.update(self._logits(batch), batch.labels)

    def on_train_epoch_end(self) -> None:
        """Write both accuracies down; the test images have just been seen."""
        row = {"epoch": self.current_epoch + 1.0, "train_accuracy": float(self.train_accuracy.compute())}
        if self.test_accuracy.update_called:
            row["test_accuracy"] = float(self.test_accuracy.compute())
        self.train_accuracy.reset()
        self.test_accuracy.reset()
        self.history.append(row)
        epochs = self.trainer.max_epochs or 1
        if len(self.history) % max(1, epochs // 10) == 0 or len(self.history) == epochs:
            log.info("Classifier: %s", ", ".join(f"{name} {value:.4g}" for name, value in row.items()))

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        optimizer = torch.optim.AdamW(self.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=self.num_steps, pct_start=recipe.warm_up
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def _logits(self, batch: Batch) -> Tensor:
        logits: Tensor = self.network(batch.images.contiguous(memory_format=torch.channels_last), batch.labels)[1]
        return logits


def fit_classifier(
    network: nn.Module,
    num_classes: int,
    train_set: ImageSet,
    test_set: ImageSet | None,
    seed: int,
    recipe: Recipe | None = None,
) -> list[dict[str, float]]:
    """Train a network in place, with streams of its own; gives the accuracies after each epoch.

    Args:
        network: as for `ClassifierFit`; left in evaluation mode on the CPU.
        num_classes: number of classes.
        train_set: labelled images to train on.
        test_set: labelled images to measure on; None: no test accuracy.
        seed: of the order and of the shifts.
        recipe: how to train.

    Raises:
        UserError: there are fewer than two training images.
    """
    recipe = recipe or Recipe()
    if len(train_set) < 2:
        raise UserError(f"a classifier needs training images, and there are {len(train_set)}")
    side = train_set.read(torch.tensor([0])).shape[-1]
    pipeline = Pipeline(
        train_set,
        batch_size=min(recipe.batch_size, len(train_set)),
        seed=stream_seed("classifier", seed),
        value_range=VALUE_RANGE,
        augmentations={"crop": RandomCrop(max(1, round(side * recipe.crop_share)))},
    )
    epochs = max(recipe.epochs, -(-recipe.min_steps // pipeline.batches_per_epoch))
    classifier = ClassifierFit(network, num_classes, recipe, epochs * pipeline.batches_per_epoch)
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    with torch.random.fork_rng(devices=[]):
        trainer.fit(
            classifier.to(memory_format=torch.channels_last),
            _Epochs(pipeline, classifier),
            None if test_set is None else _Once(test_set),
        )
    network.eval().cpu()
    return classifier.history


class _Epochs:
    """The training batches of the classifier's current epoch."""

    def __init__(self, pipeline: Pipeline, classifier: ClassifierFit) -> None:
        self.pipeline = pipeline
        self.classifier = classifier

    def __len__(self) -> int:
        return self.pipeline.batches_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.pipeline.from_iteration(self.classifier.current_epoch * len(self))


class _Once:
    """All images of a set in their order."""

    def __init__(self, image_set: ImageSet) -> None:
        self.image_set = image_set

    def __len__(self) -> int:
        return -(-len(self.image_set) // CHUNK_SIZE)

    def __iter__(self) -> Iterator[Batch]:
        for indices in torch.split(torch.arange(len(self.image_set)), CHUNK_SIZE):
            yield Batch(self.image_set.read(indices) / 127.5 - 1, self.image_set.labels[indices])
