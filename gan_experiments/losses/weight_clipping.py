"""Weight clipping, the first way to hold a Wasserstein discriminator Lipschitz."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from gan_experiments.losses.base import LossTerm
from gan_experiments.types import UserError


@dataclass(frozen=True, kw_only=True)
class WeightClipping(LossTerm):
    """Clamp each parameter w of D to -limit ≤ w ≤ limit after each of its steps.

    It adds no loss, so `weight` and `every` are without effect. Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1,
    where the limit is c = 0.01.

    Raises:
        UserError: the limit is not above 0.
    """

    limit: float = 0.01  # largest absolute value that a parameter keeps

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise UserError(f"weight clipping: limit must be above 0, not {self.limit}")

    @torch.no_grad()
    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """Clamp all parameters of the discriminator in place."""
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.limit, self.limit)
