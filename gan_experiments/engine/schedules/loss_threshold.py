"""Pausing a network while its loss is low."""

import math
from typing import Any

from pydantic import FiniteFloat, PositiveInt

from gan_experiments.engine.schedules.base import Schedule, Updates
from gan_experiments.types import Progress, UserError


class LossThreshold(Schedule):
    """Train a network only while its last observed loss is above its level.

    Paused networks are observed too, so they wake as soon as their loss is above the level again. If both would pause,
    the one with the higher loss is trained. A network whose loss is unknown (nothing was observed yet) or
    not finite is trained, and so is one whose level is None. Both losses are observed every
    `measure_every` iterations.

    Raises:
        UserError: there is no level.
    """

    def __init__(
        self,
        discriminator_above: FiniteFloat | None = None,
        generator_above: FiniteFloat | None = None,
        measure_every: PositiveInt = 10,
    ) -> None:
        if discriminator_above is None and generator_above is None:
            raise UserError(
                "schedule.discriminator_above and schedule.generator_above: both are null, so nothing would ever "
                "pause; write a level for one of them, or schedule=ratio"
            )
        self.discriminator_above = discriminator_above
        self.generator_above = generator_above
        self.measure_every = measure_every
        self._losses: dict[str, float | None] = {"discriminator_loss": None, "generator_loss": None}

    def plan(self, progress: Progress) -> Updates:
        discriminator_loss, generator_loss = self._losses["discriminator_loss"], self._losses["generator_loss"]
        discriminator = _trains(discriminator_loss, self.discriminator_above)
        generator = _trains(generator_loss, self.generator_above)
        if not discriminator and not generator:
            assert discriminator_loss is not None
            assert generator_loss is not None
            discriminator = discriminator_loss >= generator_loss
            generator = not discriminator
        return Updates(discriminator, generator)

    def observe(self, discriminator_loss: float, generator_loss: float) -> None:
        losses = {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}
        self._losses = {name: loss if math.isfinite(loss) else None for name, loss in losses.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the last observation; None where it is unknown or not finite."""
        return dict(self._losses)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._losses = dict(state)


def _trains(loss: float | None, level: float | None) -> bool:
    return loss is None or level is None or loss > level
