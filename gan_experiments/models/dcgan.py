"""DCGAN for square images of 8 to 512 pixels, with or without labels.

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
section 3. Convolutions have a bias exactly where no batch or layer normalisation, which has its own, follows.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from gan_experiments.models.conditioning import ImageCondition, LatentCondition
from gan_experiments.models.layers import (
    MinibatchDeviation,
    Normalization,
    OutputActivation,
    PointConvTranspose2d,
    batch_normalized,
    normalize_spectrally,
    output_activation,
)
from gan_experiments.types import DiscriminatorOutput, NetworkName, UserError

IMAGE_SIZES = (8, 16, 28, 32, 64, 128, 256, 512)
MAX_DEFAULT_WIDTH = 512


class Generator(nn.Module):
    """Latents N×latent_dim to images N×channels×image_size×image_size: 4×4, then doubled by each layer (28: 4→7→14→28).

    Args:
        latent_dim: size of the latent.
        image_size: pixels of a side: 28 or a power of two from 8 to 512.
        channels: channels of an image.
        output: last activation: `tanh` for images in [-1, 1], `sigmoid` for [0, 1], `linear` for any.
        widths: features at 4×4, 8×8 and so on up to half the image size: [256, 128, 64] for 28 and 32 pixels. null:
            `base_width` at half the image size, doubled with each halving towards 4×4, at most 512.
        base_width: see `widths`; not used where those are given.
        condition: how labels enter; null: not at all.

    Raises:
        UserError: a size that is not offered, or widths that do not fit it.
    """

    def __init__(
        self,
        latent_dim: PositiveInt,
        image_size: int,
        channels: PositiveInt,
        output: OutputActivation = "tanh",
        widths: Sequence[PositiveInt] | None = None,
        base_width: PositiveInt = 64,
        condition: LatentCondition | None = None,
    ) -> None:
        super().__init__()
        widths = _stage_widths("generator", image_size, widths, base_width)
        kernels = _kernel_sizes(image_size)
        self.condition = LatentCondition() if condition is None else condition
        first = PointConvTranspose2d(self.condition.attach(latent_dim), widths[0], 4, bias=False)
        self.layers = nn.Sequential(batch_normalized(first, nn.ReLU()))
        for (before, after), kernel in zip(pairwise(widths), kernels, strict=False):
            upsample = nn.ConvTranspose2d(before, after, kernel, stride=2, padding=1, bias=False)
            self.layers.append(batch_normalized(upsample, nn.ReLU()))
        last = nn.ConvTranspose2d(widths[-1], channels, kernels[-1], stride=2, padding=1)
        self.layers.append(nn.Sequential(last, output_activation(output)))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.layers(self.condition(latents, labels))
        return images


class Discriminator(nn.Module):
    """Images to scores, and to class logits where `num_classes` is given: the generator's layers mirrored.

    Features are the last 4×4 maps, flattened; score and class logits are linear in them.

    Args:
        image_size: pixels of a side: 28 or a power of two from 8 to 512.
        channels: channels of an image.
        widths: as the generator's: features at 4×4 first, at half the image size last.
        base_width: as the generator's.
        num_classes: size of the class head; 0: none.
        norm: after each convolution but the first: `batch`; `layer`, over C×H×W, for losses with a gradient penalty,
            which must not mix samples; `none`; or `spectral`, which normalises all weights instead of the features.
        dropout: share of features dropped after each activation.
        condition: how labels enter; null: not at all.
        heads: further heads, linear in the features: the size of each by name, as in the output's `extra`.
        minibatch_group: append the deviation over groups of so many samples to the last maps; 0: do not. A model's yaml
            states it as `model.minibatch_group`: scores then depend on the other samples of a batch.

    Raises:
        UserError: a size that is not offered, widths that do not fit it, or values out of range.
    """

    def __init__(
        self,
        image_size: int,
        channels: PositiveInt,
        widths: Sequence[PositiveInt] | None = None,
        base_width: PositiveInt = 64,
        num_classes: NonNegativeInt = 0,
        norm: Normalization = "batch",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        condition: ImageCondition | None = None,
        heads: Mapping[str, PositiveInt] | None = None,
        minibatch_group: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        widths = _stage_widths("discriminator", image_size, widths, base_width)
        num_features = (widths[0] + bool(minibatch_group)) * 4 * 4
        self.condition = ImageCondition() if condition is None else condition
        steps = [self.condition.attach(channels, image_size, num_features), *reversed(widths)]
        self.layers = nn.Sequential()
        for (before, after), kernel in zip(pairwise(steps), reversed(_kernel_sizes(image_size)), strict=True):
            norms: list[nn.Module] = []
            if self.layers and norm == "batch":
                norms = [nn.BatchNorm2d(after)]
            elif self.layers and norm == "layer":
                norms = [nn.GroupNorm(1, after)]  # statistics over C×H×W of each sample; serves any size
            convolution = nn.Conv2d(before, after, kernel, stride=2, padding=1, bias=not norms)
            dropouts = [nn.Dropout(dropout)] if dropout else []
            self.layers.append(nn.Sequential(convolution, *norms, nn.LeakyReLU(0.2), *dropouts))
        if minibatch_group:
            self.layers.append(MinibatchDeviation(minibatch_group))
        self.score_head = nn.Linear(num_features, 1)
        self.class_head = nn.Linear(num_features, num_classes) if num_classes else None
        self.heads = nn.ModuleDict({name: nn.Linear(num_features, size) for name, size in (heads or {}).items()})
        if norm == "spectral":
            normalize_spectrally(self)

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        features = self.layers(self.condition(images, labels)).flatten(1)
        scores = self.condition.score(self.score_head(features).squeeze(1), features, labels)
        class_logits = None if self.class_head is None else self.class_head(features)
        extra = {name: head(features) for name, head in self.heads.items()}
        return DiscriminatorOutput(scores, class_logits, features, extra)


def _kernel_sizes(image_size: int) -> list[int]:
    """Return the kernels from the 4×4 end on. 4×4 with stride 2 and padding 1 doubles a side; 3×3 makes 7 of 4."""
    return [3, 4, 4] if image_size == 28 else [4] * ((image_size // 4).bit_length() - 1)


def check_image_size(network: NetworkName, image_size: int) -> None:
    """Raise `UserError` where the size is not offered."""
    if image_size not in IMAGE_SIZES:
        raise UserError(
            f"model.{network}.image_size is {image_size}: write one of {', '.join(map(str, IMAGE_SIZES))} "
            "as dataset.image_size."
        )


def _stage_widths(network: NetworkName, image_size: int, widths: Sequence[int] | None, base_width: int) -> list[int]:
    check_image_size(network, image_size)
    num_stages = len(_kernel_sizes(image_size))
    defaults = [min(base_width * 2**stage, max(base_width, MAX_DEFAULT_WIDTH)) for stage in reversed(range(num_stages))]
    if widths is None:
        return defaults
    if len(widths) != num_stages:
        raise UserError(
            f"model.{network}.widths is {list(widths)}: images of {image_size}×{image_size} need {num_stages} widths, "
            f"from 4×4 to half the image size. Write {defaults}, for example, or null."
        )
    return list(widths)
