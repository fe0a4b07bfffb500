"""The zero-centred gradient penalty on real images."""

from dataclasses import dataclass

from torch import Tensor

from gan_experiments.losses.gradients import judged_gradient
from gan_experiments.losses.objective import Judged, LossTerm


@dataclass(frozen=True, kw_only=True)
class R1(LossTerm):
    """Flatten D around the data: ½·E[‖∇D(x)‖²] over real images x, the norm being over C×H×W; `weight` is γ.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equation 9.
    """

    image_gradient = "real"
    double_backward = True

    def discriminator_loss(self, real: Judged, fake: Judged) -> Tensor:
        """Return ½·E[‖∇D(x)‖²]; costs a second derivative."""
        return 0.5 * judged_gradient(real).square().sum(dim=1).mean()
