"""Weight clipping, the first way to hold a Wasserstein discriminator Lipschitz."""

from dataclasses import dataclass

import torch
from pydantic import PositiveFloat
from torch import nn

from gan_experiments.losses.objective import LossTerm


@dataclass(frozen=True, kw_only=True)
class WeightClipping(LossTerm):
    """Clamp each parameter w of D to -limit ≤ w ≤ limit after each of its steps.

    It adds no loss, so `weight` and `every` are without effect. Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1,
    where the limit is c = 0.01.
    """

    limit: PositiveFloat = 0.01  # largest absolute value that a parameter keeps

    @torch.no_grad()
    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """Clamp all parameters of the discriminator in place."""
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.limit, self.limit)
