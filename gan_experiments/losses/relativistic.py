"""The relativistic paired loss."""

from torch import Tensor
from torch.nn.functional import softplus

from gan_experiments.losses.objective import AdversarialLoss
from gan_experiments.losses.step import Step


class Relativistic(AdversarialLoss):
    """The odds that a real image is more real than the fake one paired with it.

    With r and f the scores of paired real and fake images: D minimises E[-log σ(r - f)] = E[softplus(-(r - f))]; G
    minimises E[softplus(-(f - r))]. Jolicoeur-Martineau 2018, "The relativistic discriminator", section 4.1 (RSGAN);
    Huang et al. 2024, "The GAN is dead; long live the GAN!" (R3GAN), section 2.1.
    """

    def discriminator_loss(self, step: Step) -> Tensor:
        return softplus(-(step.real.scores - step.fake.scores)).mean()

    def generator_loss(self, step: Step) -> Tensor:
        return softplus(step.real.scores - step.fake.scores).mean()
