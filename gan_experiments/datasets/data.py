"""The real images of a run: both splits, what its regimes leave to train on, and what samples are compared with."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_experiments.config.compose import DataParts
from gan_experiments.config.instantiate import instantiate
from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.loader import fingerprint
from gan_experiments.datasets.regimes.base import FitContext, Reconstructions, Regime, fit_and_apply, reference
from gan_experiments.types import ImageSet, ImageSource, UserError


class Data:
    """The real images of a run; each split is opened when it is first read.

    `reconstruct` trains an autoencoder, for regimes that need one (`engine.supervised.fit_reconstructions`).
    """

    def __init__(
        self, config: DictConfig, reconstruct: Callable[..., Reconstructions], parts: DataParts | None = None
    ) -> None:
        self.config = config
        source = None if parts is None else parts.source
        self.source: ImageSource = source or instantiate(config.dataset.source, "dataset.source")
        self.regimes: Mapping[str, Regime] = parts.regimes if parts else instantiate(config.regime, "regime")
        self._reconstruct = reconstruct

    @cached_property
    def whole(self) -> ImageSet:
        """The training split, with the true labels."""
        images, dataset = self.source.open("train"), self.config.dataset
        if len(images) != dataset.num_train:
            raise UserError(
                f"dataset.num_train={dataset.num_train}, but dataset {dataset.name!r} gives {len(images)} training "
                f"images. Write dataset.num_train={len(images)}, or null to have it filled in."
            )
        return images

    @cached_property
    def test(self) -> ImageSet | None:
        """The test split, all classes; None where the data set has none."""
        return self.source.open("test") if self.config.dataset.num_test else None

    @property
    def training(self) -> ImageSet:
        """The images trained on: what the regimes leave, or `whole` itself where they leave all."""
        return self._fitted[0]

    @property
    def facts(self) -> dict[str, Any]:
        """What the regimes note of their training, such as the error of an autoencoder; for the manifest."""
        return self._fitted[1]

    @property
    def pictures(self) -> dict[str, Tensor]:
        """Pictures of the regimes by file name: rows of ten images, uint8, N×C×H×W."""
        return self._fitted[2]

    @cached_property
    def _fitted(self) -> tuple[ImageSet, dict[str, Any], dict[str, Tensor]]:
        context = FitContext(self._reconstruct, Path(self.config.cache_dir), lambda: self.held_out)
        images, facts, pictures = fit_and_apply(self.regimes, self.whole, context)
        name, batch_size = self.config.dataset.name, self.config.batch_size
        if len(images) < batch_size:
            raise UserError(
                f"batch_size={batch_size} is larger than what the regime leaves of dataset {name!r}: {len(images)} "
                f"training images. Write batch_size={len(images)} or less."
            )
        num_classes, least = len(set(images.labels.tolist())), self.config.task.get("min_classes") or 0
        if num_classes < least:
            raise UserError(
                f"this task learns to tell classes apart and needs {least}, but what the regime leaves of dataset "
                f"{name!r} shows {num_classes} ({len(images)} of {len(self.whole)} images). Leave more images, or take "
                f"regime=first_n_per_class."
            )
        return images, facts, pictures

    @property
    def held_out(self) -> ImageSet | None:
        """Images of the test split that samples are compared with; None where there are none of these classes."""
        images = None if self.test is None else reference(self.regimes, self.test)
        return images if images is not None and len(images) else None

    @property
    def reference(self) -> ImageSet:
        """Images of the training split that samples are compared with."""
        return reference(self.regimes, self.whole)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.training)


def kept_labels(config: DictConfig) -> list[int]:
    """Return the labels of the classes that a run's regimes keep, whether or not images have them."""
    numbers = torch.arange(config.dataset.num_classes)
    one_of_each = TensorImageSet(torch.zeros(len(numbers), 1, 1, 1, dtype=torch.uint8), numbers)
    labels: list[int] = reference(instantiate(config.regime, "regime"), one_of_each).labels.tolist()
    return labels
