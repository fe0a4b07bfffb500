"""A penalty on generated values outside the range of the data."""

from collections.abc import Sequence

from torch import Tensor

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step


class RangePenalty(LossTerm):
    """Hold a generator that ends without a bounded activation in the data's range: E[(x̃ - clip(x̃, low, high))²].

    The mean is over all values of the generated images x̃. Ours: a discriminator with batch norm sees little of how
    large values are, so that it does not hold them.
    """

    value_range: Sequence[float]  # low and high: the values of black and white

    def generator_loss(self, step: Step) -> Tensor:
        low, high = self.value_range
        return (step.fake.images - step.fake.images.clamp(low, high)).square().mean()
