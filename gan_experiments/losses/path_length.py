"""Path length regularisation of generators with styles."""

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step
from gan_experiments.types import UserError


class PathLength(LossTerm):
    """Hold the lengths by which images change with the styles w to their mean: E[(‖Jᵀy‖ - a)²].

    Jᵀy = ∇_w⟨synthesis(w), y⟩ with y ~ N(0, 1/(H·W)); where styles are N×layers×W, the squared norm is averaged over
    the layers; a is an exponential moving average of the mean length, which takes in the batch before it is used.
    Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", equation 4, as in their code, with a
    weight of 2 at every 4th step of the generator and on half a batch.
    """

    decay: Annotated[float, Field(gt=0, le=1)] = 0.01  # weight of the batch in the average
    batch_shrink: PositiveInt = 2  # the term uses the batch size divided by this

    double_backward = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(()))

    def check(self, generator: nn.Module, discriminator: nn.Module) -> None:
        if not (hasattr(generator, "mapping") and hasattr(generator, "synthesis")):
            raise UserError(
                f"loss: path length needs a generator with styles (mapping and synthesis), and "
                f"{type(generator).__name__} has none. Leave the term out, or choose a model that has."
            )

    def generator_loss(self, step: Step) -> Tensor:
        size = max(1, len(step.latents) // self.batch_shrink)
        with torch.enable_grad(), torch.autocast(step.latents.device.type, enabled=False):
            styles = step.generator.mapping(step.latents[:size], step.labels[:size])
            images = step.generator.synthesis(styles)
            noise = torch.randn_like(images) / math.sqrt(images.shape[-2] * images.shape[-1])
            (gradient,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
        lengths = gradient.reshape(size, -1, gradient.shape[-1]).square().sum(dim=2).mean(dim=1).sqrt()
        mean = torch.lerp(self.mean.to(lengths), lengths.mean(), self.decay)
        step.carried[self] = mean.detach()
        penalty: Tensor = (lengths - mean).square()
        return penalty

    def after_step(self, step: Step) -> None:
        if self in step.carried:
            self.mean.copy_(step.carried[self])
