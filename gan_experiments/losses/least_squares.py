"""The least-squares loss."""

from pydantic import FiniteFloat
from torch import Tensor

from gan_experiments.losses.objective import AdversarialLoss
from gan_experiments.losses.step import Step


class LeastSquares(AdversarialLoss):
    """Squared distance of the scores from targets.

    With r and f the scores of real and fake images: D minimises ½E[(r - b)²] + ½E[(f - a)²]; G minimises ½E[(f - c)²].
    Mao et al. 2017, "Least Squares Generative Adversarial Networks", equation 2. The defaults are its equation 9;
    a = -1, b = 1, c = 0 is equation 8, which minimises a Pearson χ² divergence.
    """

    a: FiniteFloat = 0.0  # D's target for fake images
    b: FiniteFloat = 1.0  # D's target for real images
    c: FiniteFloat = 1.0  # the score that G wants for its images

    def discriminator_loss(self, step: Step) -> Tensor:
        return 0.5 * (step.real.scores - self.b).square().mean() + 0.5 * (step.fake.scores - self.a).square().mean()

    def generator_loss(self, step: Step) -> Tensor:
        return 0.5 * (step.fake.scores - self.c).square().mean()
