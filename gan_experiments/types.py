"""What every part shares: a batch, a discriminator's output, an image set, a data set's facts, the user's error."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeGuard

if TYPE_CHECKING:  # torch takes seconds to import, and composing a config must not
    from torch import Tensor

Split = Literal["train", "test"]
NetworkName = Literal["discriminator", "generator"]


class UserError(ValueError):
    """A mistake that the user can mend. The message says what is wrong, where, and what to write instead.

    Shown without a traceback; the command ends with exit code 2.
    """


class RunFailedError(Exception):
    """A run that had begun could not go on. Shown without a traceback; the command ends with exit code 1."""


class Batch(NamedTuple):
    """Images (float32, N×C×H×W, in the model's value range) and labels (int64, N; zeros where unlabelled)."""

    images: Tensor
    labels: Tensor


class DiscriminatorOutput(NamedTuple):
    """What a discriminator says of N images. Scores and class logits are unbounded: no network ends in a sigmoid."""

    scores: Tensor  # N, high for real
    class_logits: Tensor | None = None  # N×K
    features: Tensor | None = None  # N×F, the input of the last layer


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set from its headers, before any image is decoded."""

    image_size: int  # height and width, pixels
    channels: int  # 1 grey, 3 colour
    num_classes: int  # 0 where unlabelled
    class_names: list[str]
    num_train: int
    num_test: int


class ImageSet(Protocol):
    """One split of a data set, held in memory or read image by image."""

    labels: Tensor  # int64, N

    def __len__(self) -> int:
        """Return the number of images N."""
        ...

    def read(self, indices: Tensor) -> Tensor:
        """Read the images at `indices` (int64, n) as uint8, n×C×H×W.

        Raises:
            UserError: an image cannot be read; names its file.
        """
        ...


@dataclass(frozen=True)
class Workshop:
    """What a regime is handed that must train a network first, and where it leaves what it found."""

    reconstruct: Callable[..., Reconstructions]  # `preparation.reconstruct_images`
    cache_dir: Path  # what was trained is kept here, by its content
    held_out: ImageSet | None  # images to measure on, of the classes that samples are judged by
    facts: dict[str, Any] = field(default_factory=dict)  # for the run's manifest
    pictures: dict[str, Tensor] = field(default_factory=dict)  # by file name: rows of ten images, uint8, N×C×H×W


class Reconstructions(NamedTuple):
    """What an autoencoder made of the images that it was trained on."""

    pixels: Tensor  # uint8, N×C×H×W
    error: float  # mean squared error where white is 1
    held_out_error: float | None  # the same of held-out images


class Regime(Protocol):
    """What is done to the training images. The constructor only stores its arguments, and imports no torch."""

    def count(self, facts: DatasetFacts) -> int:
        """Return the number of images trained on; where it takes labels to know, the most that there can be.

        Raises:
            UserError: the regime asks for what the data set has not.
        """
        ...

    def count_classes(self, facts: DatasetFacts) -> int:
        """Return the number of classes trained on; where it takes labels to know, the most that there can be."""
        return facts.num_classes

    @property
    def selects_by_label(self) -> bool:
        """Return whether labels decide which images are left."""
        return False

    @property
    def relabels(self) -> bool:
        """Return whether it changes labels by which no step chooses images."""
        return False

    @property
    def needs_fit(self) -> bool:
        """Return whether a network must be trained first, by `fit`."""
        return False

    def fit(self, image_set: ImageSet, workshop: Workshop) -> Regime:
        """Train on the images of the training split what must be trained; gives the regime that can then be applied."""
        return self

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Return the images trained on, of those of the training split.

        Raises:
            UserError: the regime asks for what these images, by their labels, have not.
        """
        ...

    def reference(self, image_set: ImageSet) -> ImageSet:
        """Return those images of a split that samples are judged by: all, except where classes are left out on purpose.

        Fewer, noisy or wrongly labelled images to train on do not change what a generator should make.
        """
        return image_set


class ImageSource(Protocol):
    """Where a data set comes from. The constructor only stores its arguments: it reads, checks and imports nothing."""

    def describe(self) -> DatasetFacts:
        """Read headers only. Needs no torch.

        Raises:
            UserError: the data are missing or inconsistent; says which files to put where.
        """
        ...

    def open(self, split: Split) -> ImageSet:
        """Make a split ready for reading, downloading it if it can be had and is not there."""
        ...


@dataclass(frozen=True)
class Value:
    """A metric's value of one run, with what it must be read with."""

    value: float | None  # None: undefined
    interval: tuple[float, float] | None  # 95%, over sampling seeds
    protocol: str  # a hash: values with different ones are different measures
    facts: dict[str, Any]  # of the protocol
    higher_is_better: bool
    floor: float | None = None
    ceiling: float | None = None
    kimg: float | None = None  # at which it was measured
    floor_of_fewer: bool = False  # images than samples, which makes a FID larger

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 2


def protocol_hash(facts: Mapping[str, Any]) -> str:
    """Return eight characters that stand for a protocol."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def read_value(entry: dict[str, Any], kimg: Any) -> Value:
    """Read an entry of results.json or of an evaluation's file; `kimg` is when it was measured.

    Raises:
        TypeError, KeyError, ValueError: it is no such entry.
    """
    facts = dict(entry["protocol"])
    low, high = (_finite(bound) for bound in entry.get("interval") or (None, None))
    return Value(
        value=_finite(entry["value"]),
        interval=None if low is None or high is None else (low, high),
        protocol=protocol_hash(facts),
        facts=facts,
        higher_is_better=bool(entry.get("higher_is_better", False)),
        floor=_finite(entry.get("floor")),
        ceiling=_finite(entry.get("ceiling")),
        kimg=float(kimg) if is_number(kimg) else None,
        floor_of_fewer=entry.get("floor_count", math.inf) < facts.get("num_samples", 0),
    )


def _finite(value: Any) -> float | None:
    """Return a number; None where it is undefined."""
    return float(value) if value is not None and math.isfinite(value) else None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
