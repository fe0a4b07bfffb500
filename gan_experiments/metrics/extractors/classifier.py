"""A small classifier of the data set itself as extractor: shipped for four data sets, else trained at first use."""

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from gan_experiments.datasets.loader import fingerprint
from gan_experiments.datasets.tensors import Stored, cached_tensors, from_uint8, load_tensors, save_tensors
from gan_experiments.engine.supervised import fit_classifier
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.rng import seeded
from gan_experiments.types import ImageSet, ImageSource, UserError

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent / "weights"
VERSION = 1  # of the network and its recipe; part of the name under which trained weights are kept
GENERAL: dict[str, Any] = {"dataset": "cifar10", "image_size": 32, "channels": 3, "num_classes": 10}
"""The classifier for images without labels."""


class ClassifierExtractor(Extractor):
    """The 96 features before the last layer of a `SmallCNN` that was trained to tell the classes of a data set.

    Args:
        dataset: name of the data set; the extractor is called `<dataset>_classifier`.
        image_size: pixels of a side.
        channels: channels of an image.
        num_classes: number of classes; 0, where images have no labels: the classifier of CIFAR-10 serves.
        weights: a file of weights (safetensors); null: the shipped ones, else trained on the data at first use.

    Raises:
        UserError: the file of weights cannot be read or was made for other images.
    """

    def __init__(
        self, dataset: str, image_size: int, channels: int, num_classes: int, weights: str | None = None
    ) -> None:
        super().__init__()
        self.knows_classes = num_classes > 0
        facts: dict[str, Any] = {
            "dataset": dataset,
            "image_size": image_size,
            "channels": channels,
            "num_classes": num_classes,
        }
        if not self.knows_classes:
            facts = GENERAL
        path = SHIPPED / f"{facts['dataset']}_classifier.safetensors" if weights is None else Path(weights).expanduser()
        stored = _read(path) if weights is not None or path.exists() else ({}, {})
        of_file = stored[1]
        self.needs_fit = any(of_file.get(key) != facts[key] for key in ("channels", "num_classes"))
        if not self.needs_fit:
            facts = facts | {"image_size": of_file["image_size"]}
        elif weights is not None:
            raise UserError(
                f"{weights} was made for images of {of_file.get('channels')} channels and {of_file.get('num_classes')} "
                f"classes; the data have {channels} and {num_classes}. Leave evaluation.extractors.classifier.weights "
                "out, and a classifier is trained on the data."
            )
        self._facts = facts
        self.name = f"{facts['dataset']}_classifier"
        self.image_size, self.channels, self.num_classes = (
            int(facts[key]) for key in ("image_size", "channels", "num_classes")
        )
        self.network = SmallCNN(self.image_size, self.channels, self.num_classes)
        if not self.needs_fit:
            self._load(path, stored)

    def fit(self, train_set: ImageSet, test_set: ImageSet | None, cache_dir: Path) -> None:
        path = cache_dir / f"{self.name}-v{VERSION}-{fingerprint(train_set)}.safetensors"

        def train() -> Stored:
            log.info("Training %s on %s images, once; kept in %s", self.name, f"{len(train_set):,}", path)
            return self.train_weights(train_set, test_set)

        self._load(path, cached_tensors(path, train))
        self.needs_fit = False

    def train_weights(self, train_set: ImageSet, test_set: ImageSet | None) -> Stored:
        """Train new weights by the recipe; return them, and their facts with the accuracy on the test set."""
        with seeded("extractor", 0):
            network = SmallCNN(*(int(self._facts[key]) for key in ("image_size", "channels", "num_classes")))
        accuracy = fit_classifier(network, train_set, test_set, seed=0)
        return network.state_dict(), {**self._facts, "accuracy": accuracy, "version": VERSION}

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features (N×96) and class logits (N×K)."""
        output = self.network(from_uint8(pixels).contiguous(memory_format=torch.channels_last))
        return output.features, output.class_logits

    def _load(self, path: Path, stored: Stored) -> None:
        weights, facts = stored
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(f"{path} does not hold weights of this classifier: {error}") from error
        self.network.to(memory_format=torch.channels_last).requires_grad_(False).eval()
        self.accuracy = facts["accuracy"]


def train_extractor(dataset: str, source: ImageSource, path: Path) -> float | None:
    """Train a classifier by the recipe of the shipped ones, write it to a file, return its test accuracy."""
    facts = source.describe()
    if facts.num_classes == 0:
        raise UserError(f"dataset {dataset!r} has no labels, so no classifier can be trained on it.")
    extractor = ClassifierExtractor(dataset, facts.image_size, facts.channels, facts.num_classes)
    held_out = source.open("test") if facts.num_test else None
    weights, facts_of_weights = extractor.train_weights(source.open("train"), held_out)
    save_tensors(path, weights, facts_of_weights)
    accuracy: float | None = facts_of_weights["accuracy"]
    return accuracy


def _read(path: Path) -> Stored:
    try:
        return load_tensors(path)
    except (OSError, SafetensorError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read as the weights of a classifier ({error}): name a file that "
            "`gan-experiments fit-extractor` made, or leave evaluation.extractors.classifier.weights out."
        ) from error
