"""No regime at all, and what regimes share. Needs no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gan_experiments.types import DatasetFacts, ImageSet, Regime

if TYPE_CHECKING:
    from torch import Tensor


# As a dataclass its constructor takes no keys, so that unknown ones are named; one inherited of a protocol takes any.
@dataclass(frozen=True)
class Whole(Regime):
    """All training images, as they are."""

    def count(self, facts: DatasetFacts) -> int:
        return facts.num_train

    def apply(self, image_set: ImageSet) -> ImageSet:
        return image_set


class Subset:
    """Some images of a set."""

    def __init__(self, image_set: ImageSet, indices: "Tensor") -> None:
        self.image_set = image_set
        self.indices = indices
        self.labels = image_set.labels[indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, indices: "Tensor") -> "Tensor":
        """Read the images at `indices` of the subset."""
        return self.image_set.read(self.indices[indices])
