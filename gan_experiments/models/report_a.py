"""The pairs of report A: one for 28×28 images (Fashion-MNIST), one for 32×32 (CIFAR-10 and images of one's own).

Written with Keras, whose `same` padding is uneven where it cannot be even: a pixel more at the right and the bottom.
Here it is at the left and the top, as PyTorch has it, throughout: the same networks of mirrored images.

The report's widths are those of `base_width` 64; a smaller one is for slow machines.
"""

from typing import Annotated

from pydantic import Field, PositiveInt
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

SLOPE = 0.2

Dropout = Annotated[float, Field(ge=0, lt=1)]


class Generator28(SequentialGenerator):
    """Latents N×latent_dim to images N×channels×28×28 through 7→14→28 pixels; labels are ignored.

    A normalisation follows each activation; the first one has statistics for each of 6,272 features, before these
    become maps.
    """

    def __init__(
        self,
        latent_dim: PositiveInt = 100,
        image_size: int = 28,
        channels: PositiveInt = 1,
        output: OutputActivation = "tanh",
        base_width: PositiveInt = 64,
    ) -> None:
        require_image_size("generator", image_size, 28, "A", "report_a_cifar or model=dcgan")
        width = base_width
        super().__init__(
            nn.Sequential(nn.Linear(latent_dim, 98 * width), nn.LeakyReLU(SLOPE), batch_norm_1d(98 * width)),
            nn.Unflatten(1, (2 * width, 7, 7)),
            nn.Sequential(
                nn.ConvTranspose2d(2 * width, width, 5, stride=2, padding=2, output_padding=1),
                nn.LeakyReLU(SLOPE),
                batch_norm_2d(width),
            ),
            nn.Sequential(
                nn.ConvTranspose2d(width, channels, 5, stride=2, padding=2, output_padding=1), output_activation(output)
            ),
        )


class Discriminator28(SequentialDiscriminator):
    """Images N×channels×28×28 to a score read from 1,024 features; labels are ignored.

    `dropout` is the share of features dropped after each activation.
    """

    def __init__(
        self,
        image_size: int = 28,
        channels: PositiveInt = 1,
        dropout: Dropout = 0.3,
        base_width: PositiveInt = 64,
    ) -> None:
        require_image_size("discriminator", image_size, 28, "A", "report_a_cifar or model=dcgan")
        width = base_width
        layers = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, width, 5, stride=2, padding=2), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)),
            nn.Sequential(
                nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)
            ),
            nn.Flatten(),
            nn.Sequential(nn.Linear(98 * width, 16 * width), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)),
        )
        super().__init__(layers, score_head=nn.Linear(16 * width, 1))


class Generator32(SequentialGenerator):
    """Latents N×latent_dim to images N×channels×32×32 through 4→8→16→32 pixels; labels are ignored."""

    def __init__(
        self,
        latent_dim: PositiveInt = 100,
        image_size: int = 32,
        channels: PositiveInt = 3,
        output: OutputActivation = "tanh",
        base_width: PositiveInt = 64,
    ) -> None:
        require_image_size("generator", image_size, 32, "A", "report_a_fmnist or model=dcgan")
        width = base_width
        super().__init__(
            nn.Sequential(nn.Linear(latent_dim, 64 * width), nn.LeakyReLU(SLOPE)),
            nn.Unflatten(1, (4 * width, 4, 4)),
            nn.Sequential(nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.ConvTranspose2d(2 * width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.ConvTranspose2d(2 * width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.ZeroPad2d((2, 1, 2, 1)), nn.Conv2d(2 * width, channels, 4), output_activation(output)),
        )


class Discriminator32(SequentialDiscriminator):
    """Images N×channels×32×32 to a score read from 1,024 features, 256 maps of 2×2; labels are ignored.

    `dropout` is the share of these features dropped.
    """

    def __init__(
        self,
        image_size: int = 32,
        channels: PositiveInt = 3,
        dropout: Dropout = 0.3,
        base_width: PositiveInt = 64,
    ) -> None:
        require_image_size("discriminator", image_size, 32, "A", "report_a_fmnist or model=dcgan")
        width = base_width
        layers = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        super().__init__(layers, score_head=nn.Linear(16 * width, 1))
