"""The zero-centred gradient penalty on real images (R1) or on fake ones (R2)."""

from typing import Literal

from torch import Tensor

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step


class ZeroCenteredPenalty(LossTerm):
    """Flatten D around the data or around the generated images: ½·E[‖∇D(x)‖²], the norm being over C×H×W.

    `weight` is γ. Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equations 9 (R1, on
    real images) and 10 (R2, on fake ones).
    """

    images: Literal["real", "fake"]

    double_backward = True

    @property
    def image_gradient(self) -> Literal["real", "fake"]:
        return self.images

    def discriminator_loss(self, step: Step) -> Tensor:
        scored = step.real if self.images == "real" else step.fake
        return 0.5 * scored.gradient().square().sum(dim=1).mean()
