"""The non-saturating loss of the first GAN."""

from torch import Tensor
from torch.nn.functional import softplus

from gan_experiments.losses.objective import AdversarialLoss
from gan_experiments.losses.step import Step


class NonSaturating(AdversarialLoss):
    """Binary cross-entropy of the scores; the generator maximises the odds that its images pass for real.

    With σ(s) the probability that an image is real, r and f the scores of real and fake images:
    D minimises E[-log σ(r)] + E[-log(1 - σ(f))] = E[softplus(-r)] + E[softplus(f)]; G minimises
    E[-log σ(f)] = E[softplus(-f)]. Goodfellow et al. 2014, "Generative Adversarial Nets", section 3.
    """

    def discriminator_loss(self, step: Step) -> Tensor:
        return softplus(-step.real.scores).mean() + softplus(step.fake.scores).mean()

    def generator_loss(self, step: Step) -> Tensor:
        return softplus(-step.fake.scores).mean()
