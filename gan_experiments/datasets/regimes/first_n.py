"""Training on the first images only."""

from dataclasses import dataclass, replace

from pydantic import PositiveInt

from gan_experiments.datasets.regimes.base import Regime, Subset
from gan_experiments.types import ImageSet, TrainingFacts, UserError


@dataclass(frozen=True)
class FirstN(Regime):
    """The first `num_images` of the training split, in the order of the data set."""

    num_images: PositiveInt

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        self._check(facts.num_images)
        return replace(facts, num_images=self.num_images)

    def apply(self, image_set: ImageSet) -> ImageSet:
        import torch

        self._check(len(image_set))
        return Subset(image_set, torch.arange(self.num_images))

    def _check(self, available: int) -> None:
        if self.num_images > available:
            raise UserError(
                f"regime.first_n.num_images={self.num_images}, but there are {available} training images: write at "
                f"most {available}, or regime=none for all of them."
            )
