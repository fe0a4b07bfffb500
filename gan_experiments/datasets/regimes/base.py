"""The base of all regimes, and how several are applied in order. Needs no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gan_experiments.types import ImageSet, TrainingFacts

if TYPE_CHECKING:
    from torch import Tensor


class Reconstructions(NamedTuple):
    """The output of an autoencoder for the images that it was trained on."""

    pixels: "Tensor"  # uint8, N×C×H×W
    error: float  # mean squared error where white is 1
    held_out_error: float | None  # the same for held-out images


@dataclass(frozen=True)
class FitContext:
    """What a regime may use that trains a network first."""

    reconstruct: Callable[..., Reconstructions]  # `engine.supervised.fit_reconstructions`
    cache_dir: Path  # trained results are kept here, by their content
    held_out: Callable[[], ImageSet | None]  # opens images to measure on, of the classes of the reference


@dataclass(frozen=True)
class Fitted:
    """A regime that can be applied, and what is worth keeping of its training."""

    regime: "Regime"
    facts: Mapping[str, Any] = field(default_factory=dict)  # for the run's manifest
    pictures: Mapping[str, "Tensor"] = field(default_factory=dict)  # by file name: rows of ten images, uint8, N×C×H×W


class Regime:
    """What is done to the training images. The constructor only stores its arguments, and imports no torch."""

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        """Return what is known of the images after this regime, given what is known before it; reads no image.

        Raises:
            UserError: the regime asks for more than the images have.
        """
        return facts

    def fit(self, image_set: ImageSet, context: FitContext) -> Fitted:
        """Train on the training images what must be trained before `apply`; by default nothing."""
        return Fitted(self)

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Return the images to train on, given those that the regimes before it leave.

        Raises:
            UserError: the regime asks for more than these images, by their labels, have.
        """
        raise NotImplementedError

    def reference(self, image_set: ImageSet) -> ImageSet:
        """Return the images of a split that samples are compared with: all, unless classes are left out on purpose.

        Fewer, noisy or wrongly labelled training images do not change what a generator should make.
        """
        return image_set


def fit_and_apply(
    regimes: Mapping[str, Regime], image_set: ImageSet, context: FitContext
) -> tuple[ImageSet, dict[str, Any], dict[str, "Tensor"]]:
    """Fit and apply regimes in order; return the images to train on, and the facts and pictures of all fits."""
    facts: dict[str, Any] = {}
    pictures: dict[str, Tensor] = {}
    for regime in regimes.values():
        fitted = regime.fit(image_set, context)
        image_set = fitted.regime.apply(image_set)
        facts |= fitted.facts
        pictures |= fitted.pictures
    return image_set, facts, pictures


def reference(regimes: Mapping[str, Regime], image_set: ImageSet) -> ImageSet:
    """Return the images of a split that samples are compared with, after all regimes."""
    for regime in regimes.values():
        image_set = regime.reference(image_set)
    return image_set


class Relabelled:
    """The images of a set with other labels."""

    def __init__(self, image_set: ImageSet, labels: "Tensor") -> None:
        self.image_set = image_set
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: "Tensor") -> "Tensor":
        return self.image_set.read(indices)


class Subset(Relabelled):
    """Some images of a set."""

    def __init__(self, image_set: ImageSet, indices: "Tensor") -> None:
        super().__init__(image_set, image_set.labels[indices])
        self.indices = indices

    def read(self, indices: "Tensor") -> "Tensor":
        return self.image_set.read(self.indices[indices])
