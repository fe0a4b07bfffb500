"""A small generator with styles: the one of StyleGAN2 in the sizes and widths of a DCGAN.

Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (StyleGAN2): modulated convolutions (section
2.2), images summed over the resolutions (section 4.1). Learning rates are equalised as in Karras et al. 2018,
"Progressive Growing of GANs", section 4.1: weights start as N(0, 1) and are scaled when they are used.
"""

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.models.conditioning import LatentCondition
from gan_experiments.models.dcgan import MAX_DEFAULT_WIDTH, check_image_size
from gan_experiments.models.layers import OutputActivation, output_activation
from gan_experiments.models.styled import StyledGenerator

MAPPING_RATE = 0.01  # learning rate of the mapping, as a share of the others'


class EqualizedLinear(nn.Module):
    """A linear layer whose learning rate is `rate` times that of others, whatever its width."""

    def __init__(self, in_features: int, out_features: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / rate)
        self.bias = nn.Parameter(torch.full((out_features,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(in_features), rate

    def forward(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight * self.scale, self.bias * self.rate)


class ModulatedConv2d(nn.Module):
    """A convolution whose input channels are scaled by a style (equations 1 to 3)."""

    def __init__(self, style_dim: int, before: int, after: int, kernel: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.scales = EqualizedLinear(style_dim, before, bias=1.0)
        self.demodulate = demodulate

    def forward(self, maps: Tensor, style: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        """Map N×before×H×W under styles (N×style_dim) to N×after×H×W; noise is added before the bias."""
        scales = self.scales(style)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        maps = F.conv2d(maps * scales[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulate:  # each output has unit deviation, if inputs have
            energy = scales.square() @ weight.square().sum((2, 3)).T
            maps = maps * (energy + 1e-8).rsqrt()[:, :, None, None]
        return maps + noise + self.bias[:, None, None]


class StyledLayer(nn.Module):
    """A modulated 3×3 convolution, noise of a learned strength, and a leaky ReLU that keeps the deviation."""

    def __init__(self, style_dim: int, before: int, after: int, side: int) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(style_dim, before, after, 3)
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, side, side))  # in evaluation mode
        self.noise: Tensor

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        noise = torch.randn_like(maps[:, :1]) if self.training else self.noise
        return F.leaky_relu(self.convolution(maps, style, noise * self.strength), 0.2) * math.sqrt(2)


class Generator(StyledGenerator):
    """Latents N×latent_dim to images N×channels×image_size×image_size, from a learned 4×4 picture (28: 7×7) on.

    Args:
        latent_dim: size of the latent.
        image_size: pixels of a side: 28 or a power of two from 8 to 512.
        channels: channels of an image.
        output: last activation; `linear` as published.
        base_width: features at full size, doubled with each halving of the side, at most 512.
        style_dim: size of a style.
        mapping_layers: linear layers from latent to style.
        mixing: see `StyledGenerator`.
        condition: how labels enter the mapping; null: not at all.

    Raises:
        UserError: a size that is not offered.
    """

    def __init__(
        self,
        latent_dim: PositiveInt,
        image_size: int,
        channels: PositiveInt,
        output: OutputActivation = "linear",
        base_width: PositiveInt = 64,
        style_dim: PositiveInt = 128,
        mapping_layers: PositiveInt = 4,
        mixing: Annotated[float, Field(ge=0, le=1)] = 0.9,
        condition: LatentCondition | None = None,
    ) -> None:
        check_image_size("generator", image_size)
        sides = [side for side in (image_size >> depth for depth in reversed(range(8))) if side >= 4]
        widths = [min(base_width * (image_size // side), max(base_width, MAX_DEFAULT_WIDTH)) for side in sides]
        super().__init__(style_dim, num_styles=2 * len(sides), mixing=mixing)
        self.condition = LatentCondition() if condition is None else condition
        sizes = [self.condition.attach(latent_dim), *[style_dim] * mapping_layers]
        self.dense = nn.ModuleList(EqualizedLinear(a, b, rate=MAPPING_RATE) for a, b in pairwise(sizes))
        self.start = nn.Parameter(torch.randn(1, widths[0], sides[0], sides[0]))
        self.layers = nn.ModuleList([StyledLayer(style_dim, widths[0], widths[0], sides[0])])
        for before, after, side in zip(widths, widths[1:], sides[1:], strict=False):
            self.layers.append(StyledLayer(style_dim, before, after, side))
            self.layers.append(StyledLayer(style_dim, after, after, side))
        to_image = (ModulatedConv2d(style_dim, width, channels, 1, demodulate=False) for width in widths)
        self.to_image = nn.ModuleList(to_image)
        self.output = output_activation(output)

    def style(self, latents: Tensor, labels: Tensor) -> Tensor:
        hidden: Tensor = self.condition(latents, labels)
        hidden = hidden * (hidden.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.dense:
            hidden = F.leaky_relu(layer(hidden), 0.2) * math.sqrt(2)
        return hidden

    def synthesis(self, styles: Tensor) -> Tensor:
        maps = self.start.expand(len(styles), -1, -1, -1)
        images: Tensor | None = None
        for index, layer in enumerate(self.layers):
            if index % 2 == 1:
                maps = _doubled(maps)
            maps = layer(maps, styles[:, index])
            if index % 2 == 0:  # the last layer of this side
                image = self.to_image[index // 2](maps, styles[:, index + 1])
                images = image if images is None else _doubled(images) + image
        result: Tensor = self.output(images)
        return result


def _doubled(maps: Tensor) -> Tensor:
    """Double both sides: bilinear interpolation is the published filter [1, 3, 3, 1], but for the border."""
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
