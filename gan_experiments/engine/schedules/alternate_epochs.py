"""Whole epochs for one network, then for the other."""

from pydantic import NonNegativeInt

from gan_experiments.engine.schedules.base import StaticSchedule, Updates
from gan_experiments.types import NetworkName, Progress


class AlternateEpochs(StaticSchedule):
    """Train one network alone for whole epochs in a row (0: never), then the other, and so on; `first` begins."""

    def __init__(
        self,
        discriminator: NonNegativeInt = 1,
        generator: NonNegativeInt = 1,
        first: NetworkName = "discriminator",
    ) -> None:
        super().__init__(discriminator, generator)
        self.first = first

    def plan(self, progress: Progress) -> Updates:
        place = progress.epoch % (self.discriminator + self.generator)
        discriminator = place < self.discriminator if self.first == "discriminator" else place >= self.generator
        return Updates(discriminator=discriminator, generator=not discriminator)
