"""Numbers that change over training: pure functions of kimg, so there is no state to save.

Where a number may change over training, a yaml has it, or a node with one of these as `_target_`.
"""

import math
from dataclasses import dataclass
from typing import Any

from pydantic import NonNegativeFloat, PositiveFloat

from gan_experiments.types import UserError


def value_at(value: Any, kimg: float) -> Any:
    """Return a hyper-parameter after `kimg` thousand real images; it is a number, a function of kimg, or several."""
    if isinstance(value, list | tuple):
        return tuple(value_at(item, kimg) for item in value)
    return value(kimg) if callable(value) else value


def changes(value: Any) -> bool:
    """Whether a hyper-parameter changes over training."""
    return any(map(changes, value)) if isinstance(value, list | tuple) else callable(value)


@dataclass(frozen=True)
class Constant:
    """The same value throughout."""

    value: float = 1.0

    def __call__(self, kimg: float) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `initial` at `start_kimg` on a straight line to `final` at `end_kimg`, constant before and after."""

    start_kimg: NonNegativeFloat
    end_kimg: PositiveFloat
    initial: float = 1.0
    final: float = 0.0

    def __post_init__(self) -> None:
        if not self.start_kimg < self.end_kimg:
            raise UserError(f"start_kimg={self.start_kimg} must be less than end_kimg={self.end_kimg}")

    def __call__(self, kimg: float) -> float:
        return self.initial + (self.final - self.initial) * self.share(kimg)

    def share(self, kimg: float) -> float:
        """Return the share of the way, 0 to 1."""
        return min(max((kimg - self.start_kimg) / (self.end_kimg - self.start_kimg), 0.0), 1.0)


class Cosine(Linear):
    """From `initial` at `start_kimg` along half a cosine to `final` at `end_kimg`; Loshchilov & Hutter 2017, eq. 5."""

    def __call__(self, kimg: float) -> float:
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * self.share(kimg))) / 2


@dataclass(frozen=True)
class Warmup:
    """From 0 on a straight line to `final` at `end_kimg`, constant after."""

    end_kimg: PositiveFloat
    final: float = 1.0

    def __call__(self, kimg: float) -> float:
        return self.final * min(kimg / self.end_kimg, 1.0)
