"""What a schedule is: a plan of updates for each iteration, with its own saved state."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from gan_experiments.types import UserError


class Updates(NamedTuple):
    """Which networks are updated at an iteration."""

    discriminator: bool
    generator: bool


class Progress(NamedTuple):
    """Where training stands before an iteration; all counts start at 0."""

    iteration: int  # batches drawn so far
    epoch: int  # whole passes over the data so far
    discriminator_steps: int
    generator_steps: int


class Schedule(Protocol):
    """Decides outside the updates, on the host, from counts and from losses that were read some iterations ago."""

    @property
    def measure_every(self) -> int | None:
        """Iterations between two readings of both losses, paused networks included; None where losses do not matter."""
        ...

    def plan(self, progress: Progress) -> Updates:
        """Say which networks this iteration updates; at least one. Calling it twice gives the same answer."""
        ...

    def observe(self, discriminator_loss: float, generator_loss: float) -> None:
        """Take note of both losses, averaged over processes. Called every `measure_every` iterations."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Give what `plan` depends on besides its argument: plain numbers, strings, lists, dicts."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state back."""
        ...


class StaticSchedule:
    """The parts of a schedule of two counts, one of which may be 0, that needs neither losses nor a state.

    Raises:
        UserError: a count is negative, or both are 0.
    """

    unit: str
    """What is counted, for messages."""
    measure_every: int | None = None

    def __init__(self, discriminator: int = 1, generator: int = 1) -> None:
        for name, count in (("discriminator", discriminator), ("generator", generator)):
            if count < 0:
                raise UserError(f"schedule.{name}: a number of {self.unit}, 0 or more, not {count}")
        if discriminator == generator == 0:
            raise UserError(
                f"schedule.discriminator and schedule.generator: both are 0, so nothing would be trained; "
                f"write the number of {self.unit} of each, such as 1 and 1"
            )
        self.discriminator = discriminator
        self.generator = generator

    def observe(self, discriminator_loss: float, generator_loss: float) -> None:
        """Losses do not matter here."""

    def state_dict(self) -> dict[str, Any]:
        """There is no state: the plan depends on the progress alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is no state to take back."""
