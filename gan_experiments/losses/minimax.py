"""The minimax loss of the first GAN, whose generator's gradient vanishes while the discriminator wins."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from gan_experiments.losses.objective import Judged, LossTerm


@dataclass(frozen=True, kw_only=True)
class Minimax(LossTerm):
    """Binary cross-entropy of the scores; the generator plays the zero-sum game.

    With r and f the scores of real and fake images: D minimises E[softplus(-r)] + E[softplus(f)]; G minimises
    E[log(1 - σ(f))] = -E[softplus(f)]. Goodfellow et al. 2014, "Generative Adversarial Nets", equation 1.
    """

    def discriminator_loss(self, real: Judged, fake: Judged) -> Tensor:
        """Return E[softplus(-r)] + E[softplus(f)]."""
        return softplus(-real.scores).mean() + softplus(fake.scores).mean()

    def generator_loss(self, real: Judged, fake: Judged) -> Tensor:
        """Return -E[softplus(f)], at most 0."""
        return -softplus(fake.scores).mean()
