"""Learning-rate schedules: a factor of the base rate as a pure function of kimg, so there is no state to save."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from gan_experiments.types import UserError


class LearningRate(Protocol):
    """Gives the factor of both networks' learning rates."""

    def factor(self, kimg: float) -> float:
        """Give the factor after `kimg` thousand real images."""
        ...


@dataclass(frozen=True)
class Constant:
    """The factor is 1 throughout."""

    def factor(self, kimg: float) -> float:
        """Give 1."""
        return 1.0


@dataclass(frozen=True)
class LinearDecay:
    """From 1 at `start_kimg` on a straight line to `final_factor` at `end_kimg`, constant before and after."""

    start_kimg: float
    end_kimg: float
    final_factor: float = 0.0

    def __post_init__(self) -> None:
        _check_range(self.start_kimg, self.end_kimg)

    def factor(self, kimg: float) -> float:
        """Give the factor after `kimg` thousand real images."""
        return 1 + (self.final_factor - 1) * _share(kimg, self.start_kimg, self.end_kimg)


@dataclass(frozen=True)
class Cosine:
    """From 1 at `start_kimg` along half a cosine to `final_factor` at `end_kimg` (Loshchilov & Hutter 2017, eq. 5)."""

    start_kimg: float
    end_kimg: float
    final_factor: float = 0.0

    def __post_init__(self) -> None:
        _check_range(self.start_kimg, self.end_kimg)

    def factor(self, kimg: float) -> float:
        """Give the factor after `kimg` thousand real images."""
        share = _share(kimg, self.start_kimg, self.end_kimg)
        return self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Warmup:
    """From 0 on a straight line to 1 at `end_kimg`, constant after."""

    end_kimg: float

    def __post_init__(self) -> None:
        _check_range(0, self.end_kimg)

    def factor(self, kimg: float) -> float:
        """Give the factor after `kimg` thousand real images."""
        return _share(kimg, 0, self.end_kimg)


def _share(kimg: float, start: float, end: float) -> float:
    return min(max((kimg - start) / (end - start), 0.0), 1.0)


def _check_range(start: float, end: float) -> None:
    if not 0 <= start < end:
        raise UserError(
            f"optimizer.learning_rate: start_kimg={start} and end_kimg={end} must satisfy 0 <= start_kimg < end_kimg"
        )
