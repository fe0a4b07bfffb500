"""Training on the first images only."""

from dataclasses import dataclass

from pydantic import PositiveInt

from gan_experiments.data.regimes.base import Subset
from gan_experiments.types import ImageSet, UserError


@dataclass(frozen=True)
class FirstN:
    """The first `num_images` of the training split, in the order of the data set."""

    num_images: PositiveInt

    def count(self, num_train: int) -> int:
        """Give `num_images`.

        Raises:
            UserError: there are fewer.
        """
        if self.num_images > num_train:
            raise UserError(
                f"regime.num_images={self.num_images}, but the data set has {num_train} training images: write at most "
                f"{num_train}, or regime=none for all of them."
            )
        return self.num_images

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Give the first images."""
        import torch

        return Subset(image_set, torch.arange(self.num_images))
