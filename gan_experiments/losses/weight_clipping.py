"""Weight clipping, the first way to hold a Wasserstein discriminator Lipschitz."""

from pydantic import PositiveFloat

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step


class WeightClipping(LossTerm):
    """Clamp each parameter w of D to -limit ≤ w ≤ limit after each of its steps.

    It adds no loss, so `weight` and `every` are without effect. Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1,
    where the limit is c = 0.01.
    """

    limit: PositiveFloat = 0.01  # largest absolute value that a parameter keeps

    def after_step(self, step: Step) -> None:
        if step.network == "discriminator":
            for parameter in step.discriminator.parameters():
                parameter.clamp_(-self.limit, self.limit)
