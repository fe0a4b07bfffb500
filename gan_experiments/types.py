"""What every part shares: a batch, a discriminator's output, an image set, a data set's facts, the user's error."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeGuard

if TYPE_CHECKING:  # torch takes seconds to import, and composing a config must not
    from torch import Tensor

Split = Literal["train", "test"]
OverKimg = Callable[[float], float]
"""A number that changes over training: a pure function of the thousands of real images drawn."""
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


class Progress(NamedTuple):
    """How far training has come before an iteration; all counts start at 0."""

    iteration: int = 0  # batches drawn so far
    epoch: int = 0  # whole passes over the data so far
    discriminator_steps: int = 0
    generator_steps: int = 0
    kimg: float = 0.0  # thousands of real images drawn so far


class DiscriminatorOutput(NamedTuple):
    """A discriminator's output for N images. Scores and class logits are unbounded: no network ends in a sigmoid."""

    scores: Tensor  # N, high for real
    class_logits: Tensor | None = None  # N×K
    features: Tensor | None = None  # N×F, the input of the last layer
    extra: Mapping[str, Tensor] = {}  # outputs of further heads by name, N×…


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set from its headers, before any image is decoded."""

    image_size: int  # height and width, pixels
    channels: int  # 1 grey, 3 colour
    num_classes: int  # 0 where unlabelled
    class_names: list[str]
    num_train: int
    num_test: int


@dataclass(frozen=True)
class TrainingFacts:
    """What is known of the training images after some regimes, before any image is read."""

    num_images: int  # the most that there can be, where only labels tell
    num_classes: int  # likewise
    image_size: int
    wrong_labels: bool = False  # some labels were replaced, and no regime after that chose images by label


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
class MetricSpec:
    """A value of a metric, before it is measured."""

    name: str  # of the value: its keys are `<name>/<extractor>`
    higher_is_better: bool = False
    part_of: str | None = None  # name of the value that this one details, as `fid_half` details `fid`
    depends_on: tuple[str, ...] = field(default=(), compare=False)  # where that is less than all its metric depends on


@dataclass(frozen=True)
class MetricValue:
    """A measured value, with all that is needed to read it. Values of different protocols are not comparable."""

    key: str  # `<name>/<extractor>`
    value: float | None  # mean over sampling seeds; None: undefined
    spec: MetricSpec
    protocol: Mapping[str, Any]  # all that the value depends on, besides the networks and the seeds
    interval: tuple[float, float] | None = None  # 95%, over sampling seeds
    by_seed: tuple[float | None, ...] = ()
    floor: float | None = None  # of held-out real images in place of samples
    floor_count: int | None = None  # how many of them there were
    ceiling: float | None = None  # of noise in place of samples
    kimg: float | None = None  # at which the networks were measured

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def extractor(self) -> str:
        """What it was measured with: the part of the key after the slash."""
        return self.key.partition("/")[2]

    @property
    def half_width(self) -> float | None:
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 2

    @cached_property
    def protocol_hash(self) -> str:
        """Eight characters that stand for the protocol."""
        return protocol_hash(self.protocol)

    @property
    def floor_of_fewer(self) -> bool:
        """Whether the floor is of fewer images than samples, which makes a FID larger."""
        return self.floor_count is not None and self.floor_count < self.protocol.get("num_samples", 0)

    def to_json(self) -> dict[str, Any]:
        """Return the value without its key, in types that JSON has; fields that are None are left out."""
        entry: dict[str, Any] = {"value": self.value, "num_seeds": len(self.by_seed) or 1}
        optional = {
            "interval": self.interval and list(self.interval),
            "by_seed": list(self.by_seed),
            "higher_is_better": self.spec.higher_is_better,
            "part_of": self.spec.part_of,
            "protocol": dict(self.protocol),
            "floor": self.floor,
            "floor_count": self.floor_count,
            "ceiling": self.ceiling,
            "kimg": self.kimg,
        }
        return entry | {name: field for name, field in optional.items() if field is not None}

    @classmethod
    def from_json(cls, key: str, entry: Mapping[str, Any]) -> MetricValue:
        """Read what `to_json` returned.

        Raises:
            TypeError, KeyError, ValueError, AttributeError: the entry is damaged.
        """
        low, high = (_finite(bound) for bound in entry.get("interval") or (None, None))
        part_of, floor_count = entry.get("part_of"), entry.get("floor_count")
        higher = bool(entry.get("higher_is_better", False))
        return cls(
            key=key,
            value=_finite(entry["value"]),
            spec=MetricSpec(key.partition("/")[0], higher, None if part_of is None else str(part_of)),
            protocol=dict(entry["protocol"]),
            interval=None if low is None or high is None else (low, high),
            by_seed=tuple(map(_finite, entry.get("by_seed") or ())),
            floor=_finite(entry.get("floor")),
            floor_count=None if floor_count is None else int(floor_count),
            ceiling=_finite(entry.get("ceiling")),
            kimg=float(entry["kimg"]) if is_number(entry.get("kimg")) else None,
        )


def protocol_hash(facts: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Return eight characters that stand for a protocol, or several."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def _finite(value: Any) -> float | None:
    """Return a number; None where it is undefined."""
    return float(value) if value is not None and math.isfinite(value) else None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
