"""The pair of report E: a small DCGAN for 28×28 images whose discriminator has a class head.

Each convolution has a bias, also before batch normalisation: so the layers have 574,253 (generator) and
484,148 + 897 + 8,970 (discriminator) trainable parameters with one channel and ten classes.
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
    """Latents N×latent_dim to images N×channels×28×28 through 1→2→4→7→14→28 pixels; labels are ignored."""

    def __init__(
        self,
        latent_dim: PositiveInt = 100,
        image_size: int = 28,
        channels: PositiveInt = 1,
        output: OutputActivation = "sigmoid",
    ) -> None:
        require_image_size("generator", image_size, 28, "E", "dcgan_class_head")
        super().__init__(
            batch_normalized(PointConvTranspose2d(latent_dim, 224, 2), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.ConvTranspose2d(224, 112, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.ConvTranspose2d(112, 56, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.ConvTranspose2d(56, 28, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Sequential(nn.ConvTranspose2d(28, channels, 4, stride=2, padding=1), output_activation(output)),
        )


class Discriminator(SequentialDiscriminator):
    """Images N×channels×28×28 to a score and class logits, both read from the same 896 features; labels are ignored.

    The fourth convolution has no activation: both heads are linear in its output.
    """

    def __init__(self, image_size: int = 28, channels: PositiveInt = 1, num_classes: PositiveInt = 10) -> None:
        require_image_size("discriminator", image_size, 28, "E", "dcgan_class_head")
        layers = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, 28, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.Conv2d(28, 56, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            batch_normalized(nn.Conv2d(56, 112, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)),
            nn.Conv2d(112, 224, 4, stride=2, padding=1),
        )
        super().__init__(layers, score_head=nn.Conv2d(224, 1, 2), class_head=nn.Linear(224 * 2 * 2, num_classes))
