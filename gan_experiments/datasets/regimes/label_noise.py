"""Training with wrong labels."""

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, NonNegativeInt

from gan_experiments.datasets.regimes.base import Regime, Relabelled
from gan_experiments.types import ImageSet, TrainingFacts, UserError


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
        return Relabelled(image_set, classes[numbers])
