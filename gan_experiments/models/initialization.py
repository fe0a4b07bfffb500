"""Initialisation of a network's weights, as an object that is called on the network.

Values are drawn from torch's default generator in the order of `network.modules()`. Embeddings (`nn.Embedding`) keep
torch's N(0, 1): they enter beside latents and images and share their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_experiments.types import UserError

Layer = Literal["convolution", "linear", "norm"]

_KINDS: dict[Layer, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv2d, nn.ConvTranspose2d),
    "linear": (nn.Linear,),
    "norm": (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d),
}

Initialization = Callable[[nn.Module], None]
"""Sets a network's weights in place."""


@dataclass(frozen=True)
class NormalInitialization:
    """Convolution and linear weights N(0, std), norm weights N(1, std), norm biases 0.

    The scheme of DCGAN: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks", section 4.
    """

    std: float = 0.02
    layers: Sequence[Layer] = ("convolution", "linear", "norm")  # the others keep torch's defaults
    biases: Literal["zero", "keep"] = "zero"  # of convolution and linear layers; `keep` torch's uniform ones

    def __post_init__(self) -> None:
        if self.std < 0:
            raise UserError(f"model.initialization.std is {self.std}: write a standard deviation of at least 0.")

    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network`."""
        for kind, module in _layers(network):
            if kind in self.layers:
                draw = partial(nn.init.normal_, mean=float(kind == "norm"), std=self.std)
                _set(module, draw, zero_bias=kind == "norm" or self.biases == "zero")


@dataclass(frozen=True)
class OrthogonalInitialization:
    """Convolution and linear weights (semi-)orthogonal times `gain`, their biases 0; norms keep 1 and 0.

    Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks"; used for
    GANs by Brock et al. 2019 (BigGAN).
    """

    gain: float = 1.0

    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network`."""
        _set_all(network, partial(nn.init.orthogonal_, gain=self.gain))


@dataclass(frozen=True)
class XavierUniformInitialization:
    """Convolution and linear weights U(-a, a), a = gain √(6 / (fan_in + fan_out)), their biases 0; norms keep 1 and 0.

    Glorot & Bengio 2010, equation 16; the default of Keras (`glorot_uniform`).
    """

    gain: float = 1.0

    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network`."""
        _set_all(network, partial(nn.init.xavier_uniform_, gain=self.gain))


@dataclass(frozen=True)
class DefaultInitialization:
    """Leaves what torch drew when the layers were made."""

    def __call__(self, network: nn.Module) -> None:
        """Leave `network` as it is."""


def _layers(network: nn.Module) -> Iterator[tuple[Layer, nn.Module]]:
    for module in network.modules():
        for kind, types in _KINDS.items():
            if isinstance(module, types):
                yield kind, module


def _set_all(network: nn.Module, draw: Callable[[Tensor], Tensor]) -> None:
    for kind, module in _layers(network):
        if kind != "norm":
            _set(module, draw, zero_bias=True)


@torch.no_grad()
def _set(module: nn.Module, draw: Callable[[Tensor], Tensor], *, zero_bias: bool) -> None:
    weight, bias = module.weight, module.bias
    if zero_bias and isinstance(bias, Tensor):
        bias.zero_()
    if not isinstance(weight, Tensor):  # a norm without affine parameters
        return
    if not parametrize.is_parametrized(module, "weight"):
        draw(weight)
        return
    module.weight = draw(torch.empty_like(weight))
    # A spectral norm's singular vectors were fitted to the weight just replaced. Each reading in training mode is one
    # power iteration; the layer's own constructor makes 15 as well.
    for _ in range(15):
        _ = module.weight
