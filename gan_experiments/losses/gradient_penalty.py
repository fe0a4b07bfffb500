"""Penalties on the norm of the discriminator's gradient: WGAN-GP and DRAGAN."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import relu

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step


class GradientPenalty(LossTerm):
    """Pull the norm of D's gradient to a target: E[(‖∇D(x̂)‖ - target)²], the norm being each sample's over C×H×W.

    Around `interpolates`, x̂ = ε·x + (1 - ε)·x̃ for paired real x and fake x̃: Gulrajani et al. 2017, "Improved
    Training of Wasserstein GANs", equation 3. Around `data`, x̂ = x + ε·δ with δ = 0.5·std·u, where std is that of the
    whole batch and u is uniform on [0, 1] in each pixel: Kodali et al. 2017, "On Convergence and Stability of GANs"
    (DRAGAN), section 2.3, with the noise of the authors' code. In both ε is uniform on [0, 1], one for each sample.
    A conditional D scores x̂ with the labels of the real images.
    """

    sides: Literal["two", "one"] = "two"  # `one` leaves gradients below the target alone: E[max(0, ‖∇D(x̂)‖ - target)²]
    target: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0  # norm at which the penalty is 0
    around: Literal["interpolates", "data"] = "interpolates"  # where the gradient is taken

    double_backward = True

    def discriminator_loss(self, step: Step) -> Tensor:
        points = self._points(step.real.images.detach(), step.fake.images.detach())
        norm = vector_norm(step.real.gradient_at(points), dim=1)
        excess = norm - self.target
        return (relu(excess) if self.sides == "one" else excess).square().mean()

    def _points(self, real: Tensor, fake: Tensor) -> Tensor:
        epsilon = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
        if self.around == "interpolates":
            return epsilon * real + (1 - epsilon) * fake
        return real + epsilon * 0.5 * real.std(correction=0) * torch.rand_like(real)
