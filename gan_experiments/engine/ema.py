"""The exponential moving average of a generator's weights."""

import copy
from typing import Self

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import nn

from gan_experiments.engine.hyperparameters import value_at
from gan_experiments.types import OverKimg


class EMA(nn.Module):
    """A frozen copy of a generator, in evaluation mode, that follows its weights (Karras et al. 2018, section 4.2).

    Args:
        network: the generator to follow.
        half_life_kimg: thousands of images after which an old weight counts half, or a function of kimg.
        ramp_up: the half-life is at most this share of the images seen so far, so that the early weights are
            forgotten early (Karras et al. 2020, training code of StyleGAN2: 0.05).
    """

    def __init__(self, network: nn.Module, half_life_kimg: float | OverKimg, ramp_up: float = 0.05) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.half_life_kimg = half_life_kimg
        self.ramp_up = ramp_up

    def decay(self, batch_size: int, images_seen: int) -> float:
        """Return the factor of the old average, 0.5^(batch_size / half-life in images)."""
        half_life = min(value_at(self.half_life_kimg, images_seen / 1000) * 1000, self.ramp_up * images_seen)
        return float(0.5 ** (batch_size / half_life)) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, network: nn.Module, batch_size: int, images_seen: int) -> None:
        """Move towards the network after one of its steps; batch-norm buffers are copied."""
        share = 1 - self.decay(batch_size, images_seen)
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), share)
        for average, current in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(current)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return self


def follow(
    network: nn.Module, half_life_kimg: PositiveFloat | OverKimg | None, ramp_up: NonNegativeFloat = 0.05
) -> EMA | None:
    """Return the EMA of a network; None where `half_life_kimg` is None."""
    return None if half_life_kimg is None else EMA(network, half_life_kimg, ramp_up)
