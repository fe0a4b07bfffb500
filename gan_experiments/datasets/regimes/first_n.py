"""Training on the first images only."""

from dataclasses import dataclass

from pydantic import PositiveInt

from gan_experiments.datasets.regimes.base import Subset
from gan_experiments.types import DatasetFacts, ImageSet, Regime, UserError


@dataclass(frozen=True)
class FirstN(Regime):
    """The first `num_images` of the training split, in the order of the data set."""

    num_images: PositiveInt

    def count(self, facts: DatasetFacts) -> int:
        """Return `num_images`.

        Raises:
            UserError: there are fewer.
        """
        self._check(facts.num_train, "the data set has")
        return self.num_images

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Return the first images.

        Raises:
            UserError: there are fewer, as after a step that kept some classes only.
        """
        import torch

        self._check(len(image_set), "there are")
        return Subset(image_set, torch.arange(self.num_images))

    def _check(self, num_there: int, who: str) -> None:
        if self.num_images > num_there:
            raise UserError(
                f"regime.num_images={self.num_images}, but {who} {num_there} training images: write at most "
                f"{num_there}, or regime=none for all of them."
            )
