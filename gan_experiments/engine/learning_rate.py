"""Learning-rate schedules: a factor of the base rate as a pure function of kimg, so there is no state to save."""

import math
from dataclasses import dataclass
from typing import Protocol

from pydantic import NonNegativeFloat, PositiveFloat

from gan_experiments.types import UserError


class LearningRate(Protocol):
    """Gives the factor of both networks' learning rates."""

    def factor(self, kimg: float) -> float:
        """Return the factor after `kimg` thousand real images."""
        ...


class Constant:
    """The factor is 1 throughout."""

    def factor(self, kimg: float) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class LinearDecay:
    """From 1 at `start_kimg` on a straight line to `final_factor` at `end_kimg`, constant before and after."""

    start_kimg: NonNegativeFloat
    end_kimg: PositiveFloat
    final_factor: float = 0.0

    def __post_init__(self) -> None:
        if not self.start_kimg < self.end_kimg:
            raise UserError(
                f"optimizer.learning_rate: start_kimg={self.start_kimg} must be less than end_kimg={self.end_kimg}"
            )

    def factor(self, kimg: float) -> float:
        """Return the factor after `kimg` thousand real images."""
        return 1 + (self.final_factor - 1) * self.share(kimg)

    def share(self, kimg: float) -> float:
        """Return the share of the way, 0 to 1."""
        return min(max((kimg - self.start_kimg) / (self.end_kimg - self.start_kimg), 0.0), 1.0)


class Cosine(LinearDecay):
    """From 1 at `start_kimg` along half a cosine to `final_factor` at `end_kimg` (Loshchilov & Hutter 2017, eq. 5)."""

    def factor(self, kimg: float) -> float:
        """Return the factor after `kimg` thousand real images."""
        return self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * self.share(kimg))) / 2


@dataclass(frozen=True)
class Warmup:
    """From 0 on a straight line to 1 at `end_kimg`, constant after."""

    end_kimg: PositiveFloat

    def factor(self, kimg: float) -> float:
        """Return the factor after `kimg` thousand real images."""
        return min(kimg / self.end_kimg, 1.0)
