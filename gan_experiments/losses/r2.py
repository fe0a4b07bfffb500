"""The zero-centred gradient penalty on fake images."""

from dataclasses import dataclass

from torch import Tensor

from gan_experiments.losses.gradients import judged_gradient
from gan_experiments.losses.objective import Judged, LossTerm


@dataclass(frozen=True, kw_only=True)
class R2(LossTerm):
    """Flatten D around the generated images: ½·E[‖∇D(x̃)‖²] over fake x̃, the norm being over C×H×W; `weight` is γ.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equation 10.
    """

    image_gradient = "fake"
    double_backward = True

    def discriminator_loss(self, real: Judged, fake: Judged) -> Tensor:
        """Return ½·E[‖∇D(x̃)‖²]; costs a second derivative."""
        return 0.5 * judged_gradient(fake).square().sum(dim=1).mean()
