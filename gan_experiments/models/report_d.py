"""The pair of report D: a DCGAN of five layers for 512×512 images.

No convolution has a bias: so the layers have 202,415,104 (generator) and 2,790,144 (discriminator) trainable parameters
with three channels. A smaller `base_width` than the report's is for slow machines.
"""

from pydantic import PositiveInt
from torch import nn

from gan_experiments.models.layers import (
    OutputActivation,
    PointConvTranspose2d,
    SequentialDiscriminator,
    SequentialGenerator,
    batch_normalized,
    output_activation,
    require_image_size,
)

SLOPE = 0.2


class Generator(SequentialGenerator):
    """Latents N×latent_dim to images N×channels×512×512 through 8→32→128→256→512 pixels; labels are ignored."""

    def __init__(
        self,
        latent_dim: PositiveInt = 100,
        image_size: int = 512,
        channels: PositiveInt = 3,
        output: OutputActivation = "tanh",
        base_width: PositiveInt = 512,
    ) -> None:
        require_image_size("generator", image_size, 512, "D", "dcgan")
        width = base_width
        last = nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False)
        super().__init__(
            batch_normalized(PointConvTranspose2d(latent_dim, 8 * width, 8, bias=False), nn.ReLU()),
            batch_normalized(nn.ConvTranspose2d(8 * width, 4 * width, 4, stride=4, bias=False), nn.ReLU()),
            batch_normalized(nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=4, bias=False), nn.ReLU()),
            batch_normalized(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False), nn.ReLU()),
            nn.Sequential(last, output_activation(output)),
        )


class Discriminator(SequentialDiscriminator):
    """Images N×channels×512×512 to a score through 512→256→128→32→8 pixels; labels are ignored.

    The score is linear in the features, 8·base_width maps of 8×8.
    """

    def __init__(self, image_size: int = 512, channels: PositiveInt = 3, base_width: PositiveInt = 64) -> None:
        require_image_size("discriminator", image_size, 512, "D", "dcgan")
        width = base_width
        first = nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False)
        layers = nn.Sequential(
            nn.Sequential(first, nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.Conv2d(2 * width, 4 * width, 4, stride=4, bias=False), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.Conv2d(4 * width, 8 * width, 4, stride=4, bias=False), nn.LeakyReLU(SLOPE)),
        )
        super().__init__(layers, score_head=nn.Conv2d(8 * width, 1, 8, bias=False))
