"""What Keras does unless told otherwise, for faithful copies of networks that were written with it.

Its defaults differ from PyTorch's: the batch normalisation's momentum (0.99 of the old, 0.01 of the new) and eps, the
slope of `LeakyReLU()`, and the weights' initialisation.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

SLOPE = 0.3  # of LeakyReLU() without an argument
MOMENTUM, EPS = 0.01, 1e-3


def batch_norm_1d(num_features: int) -> nn.BatchNorm1d:
    """Normalise N×num_features."""
    return nn.BatchNorm1d(num_features, eps=EPS, momentum=MOMENTUM)


def batch_norm_2d(num_features: int) -> nn.BatchNorm2d:
    """Normalise N×num_features×H×W."""
    return nn.BatchNorm2d(num_features, eps=EPS, momentum=MOMENTUM)


@dataclass(frozen=True)
class GlorotUniform:
    """Convolution and linear weights U(-b, b) with b = √(6 / (fan_in + fan_out)), their biases 0; norms weigh 1 and 0.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
    """

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network` from torch's default generator, in the order of its modules."""
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if isinstance(module.bias, Tensor):
                    module.bias.zero_()
