"""Initialisation of a network's weights, as an object that is called on the network.

Values are drawn from torch's default generator in the order of `network.modules()`. Embeddings (`nn.Embedding`) keep
torch's N(0, 1): they enter beside latents and images and share their scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn
from torch.nn.utils import parametrize

Layer = Literal["convolution", "linear", "norm"]

KINDS: dict[type[nn.Module], Layer] = {
    nn.Conv2d: "convolution",
    nn.ConvTranspose2d: "convolution",
    nn.Linear: "linear",
    nn.BatchNorm1d: "norm",
    nn.BatchNorm2d: "norm",
    nn.GroupNorm: "norm",
    nn.LayerNorm: "norm",
    nn.InstanceNorm2d: "norm",
}


@dataclass(frozen=True)
class NormalInitialization:
    """Convolution and linear weights N(0, std), norm weights N(1, std), norm biases 0.

    The scheme of DCGAN: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks", section 4.
    """

    std: NonNegativeFloat = 0.02
    layers: Sequence[Layer] = ("convolution", "linear", "norm")  # the others keep torch's defaults
    biases: Literal["zero", "keep"] = "zero"  # of convolution and linear layers; `keep` torch's uniform ones

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network`."""
        for module in network.modules():
            kind = next((kind for type_, kind in KINDS.items() if isinstance(module, type_)), None)
            if kind not in self.layers:
                continue
            weight, bias = module.weight, module.bias
            if isinstance(bias, Tensor) and (kind == "norm" or self.biases == "zero"):
                bias.zero_()
            if isinstance(weight, Tensor):  # not a norm without affine parameters
                self._draw(module, weight, mean=float(kind == "norm"))

    def _draw(self, module: nn.Module, weight: Tensor, mean: float) -> None:
        if not parametrize.is_parametrized(module, "weight"):
            nn.init.normal_(weight, mean, self.std)
            return
        module.weight = nn.init.normal_(torch.empty_like(weight), mean, self.std)
        # A spectral norm's singular vectors were fitted to the weight just replaced. Each reading in training mode is
        # one power iteration; the layer's own constructor makes 15 as well.
        for _ in range(15):
            _ = module.weight
