"""Label smoothing of the sigmoid cross-entropy."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step

Probability = Annotated[float, Field(ge=0, le=1)]


class LabelSmoothing(LossTerm):
    """What softer targets add to D's binary cross-entropy; belongs with `NonSaturating` or `Minimax` of equal weight.

    BCE(σ(s), t) = softplus(-s) + (1 - t)·s = softplus(s) - t·s, so targets real_target and fake_target in place of 1
    and 0 add (1 - real_target)·E[r] - fake_target·E[f], with r and f the scores of real and fake images. Without the
    cross-entropy this sum has no bound. Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.4,
    which smooths the real side only.
    """

    real_target: Probability = 0.9  # target probability of being real, for real images
    fake_target: Probability = 0.0  # the same for fake images; 0 is one-sided smoothing

    def discriminator_loss(self, step: Step) -> Tensor:
        return (1 - self.real_target) * step.real.scores.mean() - self.fake_target * step.fake.scores.mean()
