"""What a schedule is: a plan of updates for each iteration, with its own saved state."""

from typing import Any, NamedTuple

from pydantic import NonNegativeInt

from gan_experiments.types import Progress, UserError


class Updates(NamedTuple):
    """Which networks are updated at an iteration."""

    discriminator: bool
    generator: bool


class Schedule:
    """Decides outside the updates, on the host, from counts and from losses that were read some iterations ago."""

    measure_every: int | None = None
    """Iterations between two readings of both losses, paused networks included; None where losses do not matter."""

    def plan(self, progress: Progress) -> Updates:
        """Return which networks this iteration updates; at least one. Two calls return the same."""
        raise NotImplementedError

    def observe(self, discriminator_loss: float, generator_loss: float) -> None:
        """Take note of both losses, averaged over processes. Called every `measure_every` iterations."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `plan` depends on besides its argument: plain numbers, strings, lists, dicts."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state back."""


class StaticSchedule(Schedule):
    """A schedule of two counts, one of which may be 0.

    Raises:
        UserError: both are 0.
    """

    def __init__(self, discriminator: NonNegativeInt = 1, generator: NonNegativeInt = 1) -> None:
        if discriminator == generator == 0:
            raise UserError(
                "schedule.discriminator and schedule.generator: both are 0, so nothing would be trained; write 1 and 1"
            )
        self.discriminator = discriminator
        self.generator = generator
