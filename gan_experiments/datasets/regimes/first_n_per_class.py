"""Training on equally few images of each class."""

from dataclasses import dataclass

from pydantic import PositiveInt

from gan_experiments.datasets.regimes.base import Subset
from gan_experiments.types import DatasetFacts, ImageSet, Regime, UserError


@dataclass(frozen=True)
class FirstNPerClass(Regime):
    """The first `num_per_class` images of each class that the images have, in the order of the data set."""

    num_per_class: PositiveInt

    def count(self, facts: DatasetFacts) -> int:
        """Return the most that it can leave: `num_per_class` of each class.

        Raises:
            UserError: the data set has no labels, or fewer images in all.
        """
        if facts.num_classes == 0:
            raise UserError(
                "regime=first_n_per_class needs labels, and this data set has none: write regime=first_n "
                "regime.num_images=NUMBER, or put the images into one sub-folder for each class."
            )
        if self.num_per_class > facts.num_train:
            raise UserError(
                f"regime.num_per_class={self.num_per_class}, but the data set has {facts.num_train} training images of "
                f"all {facts.num_classes} classes together: write less, or regime=none for all of them."
            )
        return min(facts.num_train, self.num_per_class * facts.num_classes)

    @property
    def selects_by_label(self) -> bool:
        return True

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Return the first images of each class, in their old order.

        Raises:
            UserError: a class has fewer; names the smallest.
        """
        import torch

        places = [(image_set.labels == label).nonzero().flatten() for label in torch.unique(image_set.labels)]
        fewest = min(places, key=len)
        if len(fewest) < self.num_per_class:
            raise UserError(
                f"regime.num_per_class={self.num_per_class}, but class number {int(image_set.labels[fewest[0]])} has "
                f"{len(fewest)} training images: write at most {len(fewest)}."
            )
        return Subset(image_set, torch.cat([own[: self.num_per_class] for own in places]).sort().values)
