"""The minimax loss of the first GAN, whose generator's gradient vanishes while the discriminator wins."""

from torch import Tensor
from torch.nn.functional import softplus

from gan_experiments.losses.non_saturating import NonSaturating
from gan_experiments.losses.step import Step


class Minimax(NonSaturating):
    """Binary cross-entropy of the scores; the generator plays the zero-sum game.

    With r and f the scores of real and fake images: D minimises E[softplus(-r)] + E[softplus(f)]; G minimises
    E[log(1 - σ(f))] = -E[softplus(f)]. Goodfellow et al. 2014, "Generative Adversarial Nets", equation 1.
    """

    def generator_loss(self, step: Step) -> Tensor:
        return -softplus(step.fake.scores).mean()
