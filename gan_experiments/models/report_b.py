"""The pair of report B for 32×32 images: 196 features everywhere, a class head, a generator that takes the class.

Each convolution has a bias, also before normalisation: so the layers have 3,559,363 (generator) and 3,137,971
(discriminator) trainable parameters with three channels and ten classes. Less than the report's `width` of 196 is for
slow machines.
"""

from pydantic import PositiveInt
from torch import Tensor, nn

from gan_experiments.models.conditioning import LatentCondition
from gan_experiments.models.layers import (
    OutputActivation,
    SequentialDiscriminator,
    batch_normalized,
    output_activation,
    require_image_size,
)

WIDTH = 196
STRIDES = (1, 2, 1, 2, 1, 1, 1, 2)  # 32→16→8→4 pixels


class Generator(nn.Module):
    """Latents N×latent_dim to images N×channels×32×32 through 4→8→16→32 pixels.

    `condition` is how labels enter; null: not at all.
    """

    def __init__(
        self,
        latent_dim: PositiveInt = 100,
        image_size: int = 32,
        channels: PositiveInt = 3,
        output: OutputActivation = "tanh",
        condition: LatentCondition | None = None,
        width: PositiveInt = WIDTH,
    ) -> None:
        super().__init__()
        require_image_size("generator", image_size, 32, "B", "dcgan_onehot")
        self.condition = LatentCondition() if condition is None else condition
        num_features = width * 4 * 4
        first = nn.Linear(self.condition.attach(latent_dim), num_features)
        self.layers = nn.Sequential(
            nn.Sequential(first, nn.BatchNorm1d(num_features), nn.ReLU()),
            nn.Unflatten(1, (width, 4, 4)),
            _doubled(width),
            _same_size(width),
            _same_size(width),
            _same_size(width),
            _doubled(width),
            _same_size(width),
            _doubled(width),
            nn.Sequential(nn.Conv2d(width, channels, 3, padding=1), output_activation(output)),
        )

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.layers(self.condition(latents, labels))
        return images


class Discriminator(SequentialDiscriminator):
    """Images N×channels×32×32 to a score and class logits, both of the same `width` features; labels are ignored.

    Normalised over C×H×W of each sample: a gradient penalty must not mix samples.
    """

    def __init__(
        self,
        image_size: int = 32,
        channels: PositiveInt = 3,
        num_classes: PositiveInt = 10,
        width: PositiveInt = WIDTH,
    ) -> None:
        require_image_size("discriminator", image_size, 32, "B", "dcgan_onehot")
        layers = nn.Sequential()
        before, side = channels, image_size
        for stride in STRIDES:
            side //= stride
            convolution = nn.Conv2d(before, width, 3, stride=stride, padding=1)
            layers.append(nn.Sequential(convolution, nn.LayerNorm((width, side, side)), nn.LeakyReLU()))
            before = width
        layers.extend([nn.MaxPool2d(side), nn.Flatten()])
        super().__init__(layers, score_head=nn.Linear(width, 1), class_head=nn.Linear(width, num_classes))


def _doubled(width: int) -> nn.Sequential:
    return batch_normalized(nn.ConvTranspose2d(width, width, 4, stride=2, padding=1), nn.ReLU())


def _same_size(width: int) -> nn.Sequential:
    return batch_normalized(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
