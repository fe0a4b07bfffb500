"""A small convolutional classifier for images of any size: what the shipped feature extractors are."""

import math

from torch import Tensor, nn

from gan_experiments.models.layers import batch_normalized
from gan_experiments.types import DiscriminatorOutput

STEM_WIDTH, WIDTH, FEATURES = 32, 64, 96


class SmallCNN(nn.Module):
    """Images N×channels×S×S to class logits, in the signature of a discriminator; about 200,000 weights.

    A 3×3 convolution at full size, then stages of two 3×3 convolutions after a max pooling, until a side has 8 pixels
    or fewer; the mean over places of the last maps gives 96 features, in which the logits are linear. The score is the
    log-sum-exp of the logits (Salimans et al. 2016, "Improved Techniques for Training GANs", section 5).

    Args:
        image_size: pixels of a side; decides the number of stages (at least two).
        channels: channels of an image.
        num_classes: number of classes.
    """

    def __init__(self, image_size: int, channels: int, num_classes: int) -> None:
        super().__init__()
        num_stages = max(2, math.ceil(math.log2(image_size / 8)))
        widths = [WIDTH] * (num_stages - 1) + [FEATURES]
        self.layers = nn.Sequential(_convolution(channels, STEM_WIDTH))
        before = STEM_WIDTH
        for width in widths:
            self.layers.extend([nn.MaxPool2d(2), _convolution(before, width), _convolution(width, width)])
            before = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.class_head = nn.Linear(FEATURES, num_classes)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Classify images in [-1, 1]; labels are not looked at."""
        features = self.pool(self.layers(images)).flatten(1)
        class_logits = self.class_head(features)
        return DiscriminatorOutput(class_logits.logsumexp(1), class_logits, features)


def _convolution(before: int, after: int) -> nn.Sequential:
    return batch_normalized(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.ReLU(inplace=True))
