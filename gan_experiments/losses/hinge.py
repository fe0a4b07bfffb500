"""The hinge loss."""

from torch import Tensor
from torch.nn.functional import relu

from gan_experiments.losses.objective import AdversarialLoss
from gan_experiments.losses.step import Step


class Hinge(AdversarialLoss):
    """The margin loss of a support vector machine: a score beyond its margin of 1 no longer counts.

    With r and f the scores of real and fake images: D minimises E[max(0, 1 - r)] + E[max(0, 1 + f)]; G minimises
    -E[f]. Lim & Ye 2017, "Geometric GAN", section 3; Miyato et al. 2018, "Spectral Normalization for Generative
    Adversarial Networks", equations 16 and 17.
    """

    def discriminator_loss(self, step: Step) -> Tensor:
        return relu(1 - step.real.scores).mean() + relu(1 + step.fake.scores).mean()

    def generator_loss(self, step: Step) -> Tensor:
        return -step.fake.scores.mean()
