"""Whole epochs for one network, then for the other."""

from __future__ import annotations

from typing import Any, Literal

from gan_experiments.schedules._counts import check_counts
from gan_experiments.schedules.base import Progress, Updates


class AlternateEpochs:
    """Train one network alone for whole epochs, then the other, and so on.

    Args:
        discriminator: epochs in a row for D, 0 for never.
        generator: epochs in a row for G, 0 for never.
        first: the network that begins.

    Raises:
        UserError: a count is negative, or both are 0.

    """

    measure_every: int | None = None

    def __init__(
        self, discriminator: int = 1, generator: int = 1, first: Literal["discriminator", "generator"] = "discriminator"
    ) -> None:
        check_counts(discriminator, generator, "epochs in a row")
        self.discriminator = discriminator
        self.generator = generator
        self.first = first

    def plan(self, progress: Progress) -> Updates:
        """Say which network this iteration updates: always one alone."""
        place = progress.epoch % (self.discriminator + self.generator)
        discriminator = place < self.discriminator if self.first == "discriminator" else place >= self.generator
        return Updates(discriminator=discriminator, generator=not discriminator)

    def observe(self, discriminator_loss: float, generator_loss: float) -> None:
        """Losses do not matter here."""

    def state_dict(self) -> dict[str, Any]:
        """There is no state: the plan depends on the epoch alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is no state to take back."""
