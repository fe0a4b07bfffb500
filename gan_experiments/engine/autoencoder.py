"""Training of an autoencoder on images, and the reconstructions that it makes of them."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.datasets.loader import CHUNK_SIZE, Pipeline
from gan_experiments.rng import stream_seed
from gan_experiments.types import Batch, ImageSet, UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AutoencoderRecipe:
    """How an autoencoder is trained: Adam at a constant rate, on the mean squared error."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 2e-3


class Autoencoder(pl.LightningModule):
    """Mean squared error of `network(images)`, images in [0, 1]; its mean over each epoch in `history`.

    Args:
        network: images (N×C×H×W) to images of the same shape.
        recipe: how to train.
    """

    def __init__(self, network: nn.Module, recipe: AutoencoderRecipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.history: list[dict[str, float]] = []
        self._losses: list[Tensor] = []

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        loss = F.mse_loss(self.network(batch.images), batch.images)
        self._losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        self.history.append({"epoch": self.current_epoch + 1.0, "loss": float(torch.stack(self._losses).mean())})
        self._losses.clear()
        epochs = self.trainer.max_epochs or 1
        if len(self.history) % max(1, epochs // 5) == 0:
            log.info("Autoencoder: epoch %d of %d, loss %.4g", len(self.history), epochs, self.history[-1]["loss"])

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), self.recipe.learning_rate)


def fit_autoencoder(
    network: nn.Module, train_set: ImageSet, seed: int, recipe: AutoencoderRecipe | None = None
) -> list[dict[str, float]]:
    """Train a network in place, with streams of its own; gives the mean loss of each epoch.

    Args:
        network: as for `Autoencoder`; left in evaluation mode on the CPU.
        train_set: images to train on.
        seed: of their order.
        recipe: how to train.

    Raises:
        UserError: there are fewer than two training images.
    """
    recipe = recipe or AutoencoderRecipe()
    if len(train_set) < 2:
        raise UserError(f"an autoencoder needs two training images or more, and there are {len(train_set)}")
    pipeline = Pipeline(
        train_set,
        batch_size=min(recipe.batch_size, len(train_set)),
        seed=stream_seed("autoencoder", seed),
        value_range=(0.0, 1.0),
    )
    autoencoder = Autoencoder(network, recipe)
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=recipe.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with torch.random.fork_rng(devices=[]):
        trainer.fit(autoencoder, _Epochs(pipeline, autoencoder))
    network.eval().cpu()
    return autoencoder.history


@torch.no_grad()
def reconstruct(network: nn.Module, image_set: ImageSet) -> tuple[Tensor, float]:
    """Return the reconstructions of all images (uint8, N×C×H×W), and their mean squared error where white is 1."""
    made, squares = [], 0.0
    for indices in torch.split(torch.arange(len(image_set)), CHUNK_SIZE):
        images = image_set.read(indices).float() / 255
        pixels = network(images).mul(255).round().to(torch.uint8)
        squares += float((pixels.double() / 255 - images).square().mean()) * len(indices)
        made.append(pixels)
    return torch.cat(made), squares / len(image_set)


class _Epochs:
    """The training batches of the autoencoder's current epoch."""

    def __init__(self, pipeline: Pipeline, autoencoder: Autoencoder) -> None:
        self.pipeline = pipeline
        self.autoencoder = autoencoder

    def __len__(self) -> int:
        return self.pipeline.batches_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.pipeline.from_iteration(self.autoencoder.current_epoch * len(self))
