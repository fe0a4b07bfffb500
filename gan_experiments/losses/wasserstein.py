"""The Wasserstein loss, which needs a discriminator that is held Lipschitz."""

from torch import Tensor

from gan_experiments.losses.objective import AdversarialLoss
from gan_experiments.losses.step import Step


class Wasserstein(AdversarialLoss):
    """Difference of the mean scores, the dual form of the earth mover's distance up to the Lipschitz constant.

    With r and f the scores of real and fake images: D minimises E[f] - E[r]; G minimises -E[f]. It has no bound alone:
    add `WeightClipping` or `GradientPenalty`. Arjovsky et al. 2017, "Wasserstein GAN", equation 3 and algorithm 1.
    """

    def discriminator_loss(self, step: Step) -> Tensor:
        return -step.real.scores.mean() + step.fake.scores.mean()

    def generator_loss(self, step: Step) -> Tensor:
        return -step.fake.scores.mean()
