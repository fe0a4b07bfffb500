"""The pairs of report C for 28×28 images: a dense one and a convolutional one, written with Keras.

A batch normalisation follows each activation. The generators' images have no bound unless `output` gives them one.
"""

from itertools import pairwise

from pydantic import PositiveInt
from torch import nn

from gan_experiments.models.layers import (
    OutputActivation,
    SequentialDiscriminator,
    SequentialGenerator,
    batch_norm_1d,
    batch_norm_2d,
    output_activation,
    require_image_size,
)
from gan_experiments.types import UserError

SLOPE = 0.3  # of Keras's LeakyReLU() without an argument
HIDDEN = (256, 512, 1024)
CONV_LATENT_DIM = 128 * 7 * 7


class DenseGenerator(SequentialGenerator):
    """Latents N×latent_dim to images N×channels×28×28; labels are ignored.

    `output` follows the LeakyReLU with which the report's network ends; `linear` leaves it last.
    """

    def __init__(
        self,
        latent_dim: PositiveInt = 100,
        image_size: int = 28,
        channels: PositiveInt = 1,
        output: OutputActivation = "linear",
    ) -> None:
        require_image_size("generator", image_size, 28, "C", "dcgan")
        shape = (channels, image_size, image_size)
        super().__init__(
            *_dense(latent_dim, *HIDDEN),
            nn.Sequential(nn.Linear(HIDDEN[-1], channels * image_size**2), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.Unflatten(1, shape), output_activation(output)),
        )


class DenseDiscriminator(SequentialDiscriminator):
    """Images N×channels×28×28 to a score read from 256 features; labels are ignored."""

    def __init__(self, image_size: int = 28, channels: PositiveInt = 1) -> None:
        require_image_size("discriminator", image_size, 28, "C", "dcgan")
        layers = nn.Sequential(nn.Flatten(), _dense(channels * image_size**2, *reversed(HIDDEN)))
        super().__init__(layers, score_head=nn.Linear(HIDDEN[0], 1))


class ConvGenerator(SequentialGenerator):
    """Latents N×6272, taken as 128 maps of 7×7, to images N×channels×28×28; labels are ignored.

    Raises:
        UserError: another `latent_dim` or size.
    """

    def __init__(
        self,
        latent_dim: PositiveInt = CONV_LATENT_DIM,
        image_size: int = 28,
        channels: PositiveInt = 1,
        output: OutputActivation = "linear",
    ) -> None:
        require_image_size("generator", image_size, 28, "C", "dcgan")
        if latent_dim != CONV_LATENT_DIM:
            raise UserError(
                f"model.latent_dim is {latent_dim}: report C's convolutional generator has no layer before its maps "
                f"and takes the latent as 128×7×7. Write model.latent_dim={CONV_LATENT_DIM}, or model=dcgan."
            )
        super().__init__(
            nn.Unflatten(1, (128, 7, 7)),
            _normalized(nn.ConvTranspose2d(128, 56, 2, stride=2)),
            _normalized(nn.ConvTranspose2d(56, 112, 2, stride=2)),
            nn.Sequential(nn.Conv2d(112, channels, 1), output_activation(output)),
        )


class ConvDiscriminator(SequentialDiscriminator):
    """Images N×channels×28×28 to a score read from 1,024 features, 64 maps of 4×4; labels are ignored."""

    def __init__(self, image_size: int = 28, channels: PositiveInt = 1) -> None:
        require_image_size("discriminator", image_size, 28, "C", "dcgan")
        layers = nn.Sequential(
            _normalized(nn.Conv2d(channels, 32, 5, stride=2)),
            _normalized(nn.Conv2d(32, 64, 5, stride=2)),
            nn.Flatten(),
        )
        super().__init__(layers, score_head=nn.Linear(64 * 4 * 4, 1))


def _dense(*sizes: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            nn.Sequential(nn.Linear(before, after), nn.LeakyReLU(SLOPE), batch_norm_1d(after))
            for before, after in pairwise(sizes)
        )
    )


def _normalized(convolution: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.LeakyReLU(SLOPE), batch_norm_2d(convolution.out_channels))
