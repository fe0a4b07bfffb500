"""Whole epochs for one network, then for the other."""

from __future__ import annotations

from gan_experiments.schedules.base import Progress, StaticSchedule, Updates
from gan_experiments.types import NetworkName


class AlternateEpochs(StaticSchedule):
    """Train one network alone for whole epochs in a row (0: never), then the other, and so on; `first` begins."""

    unit = "epochs in a row"

    def __init__(self, discriminator: int = 1, generator: int = 1, first: NetworkName = "discriminator") -> None:
        super().__init__(discriminator, generator)
        self.first = first

    def plan(self, progress: Progress) -> Updates:
        """Say which network this iteration updates: always one alone."""
        place = progress.epoch % (self.discriminator + self.generator)
        discriminator = place < self.discriminator if self.first == "discriminator" else place >= self.generator
        return Updates(discriminator=discriminator, generator=not discriminator)
