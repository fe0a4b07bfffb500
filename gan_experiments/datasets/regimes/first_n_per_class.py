"""Training on equally few images of each class."""

from dataclasses import dataclass, replace

from pydantic import PositiveInt

from gan_experiments.datasets.regimes.base import Regime, Subset
from gan_experiments.types import ImageSet, TrainingFacts, UserError


@dataclass(frozen=True)
class FirstNPerClass(Regime):
    """The first `num_per_class` images of each class that the images have, in the order of the data set."""

    num_per_class: PositiveInt

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        if facts.num_classes == 0:
            raise UserError(
                "regime=first_n_per_class needs labels, and this data set has none: write regime=first_n "
                "regime.first_n.num_images=NUMBER, or put the images into one sub-folder for each class."
            )
        if self.num_per_class > facts.num_images:
            raise UserError(
                f"regime.first_n_per_class.num_per_class={self.num_per_class}, but there are {facts.num_images} "
                f"training images of all {facts.num_classes} classes together: write less, or regime=none for all."
            )
        most = min(facts.num_images, self.num_per_class * facts.num_classes)
        return replace(facts, num_images=most, wrong_labels=False)

    def apply(self, image_set: ImageSet) -> ImageSet:
        import torch

        by_class = [(image_set.labels == label).nonzero().flatten() for label in torch.unique(image_set.labels)]
        fewest = min(by_class, key=len)
        if len(fewest) < self.num_per_class:
            raise UserError(
                f"regime.first_n_per_class.num_per_class={self.num_per_class}, but class number "
                f"{int(image_set.labels[fewest[0]])} has {len(fewest)} training images: write at most {len(fewest)}."
            )
        return Subset(image_set, torch.cat([indices[: self.num_per_class] for indices in by_class]).sort().values)
