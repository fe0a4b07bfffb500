"""Training with wrong labels."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeInt

from gan_experiments.datasets.regimes.base import Regime
from gan_experiments.types import ImageSet, TrainingFacts, UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LabelNoise(Regime):
    """A share of the labels replaced, each by another class that the images have, all others equally likely.

    The symmetric noise of Patrini et al. 2017, "Making Deep Neural Networks Robust to Label Noise".
    """

    share: Annotated[float, Field(gt=0, le=1)]  # of the images; their number is rounded
    seed: NonNegativeInt = 0

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        if facts.num_classes < 2:
            raise UserError(
                f"regime=label_noise needs two classes, and there are {facts.num_classes}: leave it out, or keep more "
                "classes."
            )
        return replace(facts, wrong_labels=True)

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Return the images with labels of which some are wrong.

        Raises:
            UserError: the images are of one class, as after a regime that kept one.
        """
        import torch

        from gan_experiments.rng import stream_seed

        classes, numbers = torch.unique(image_set.labels, return_inverse=True)
        if len(classes) < 2:
            raise UserError(
                f"regime=label_noise: all {len(image_set)} training images are of one class, so there is no other "
                "label to give. Leave it out, or keep more classes."
            )
        stream = torch.Generator().manual_seed(stream_seed("label noise", self.seed))
        wrong = torch.randperm(len(numbers), generator=stream)[: round(self.share * len(numbers))]
        steps = torch.randint(1, len(classes), wrong.shape, generator=stream)  # never a whole round: never itself
        numbers[wrong] = (numbers[wrong] + steps) % len(classes)
        return _Relabelled(image_set, classes[numbers])


class _Relabelled:
    """The images of a set with other labels."""

    def __init__(self, image_set: ImageSet, labels: "Tensor") -> None:
        self.image_set = image_set
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: "Tensor") -> "Tensor":
        return self.image_set.read(indices)
