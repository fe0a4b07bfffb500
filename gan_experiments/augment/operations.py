"""Augmentations of float batches N×C×H×W: differentiable, and drawn for each sample by itself.

An augmentation takes images and the random stream that it draws from, on their device (None: its default stream), and
keeps shape and range. `value_range` declares which values it takes black and white to be; None: it does not matter.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat
from torch import Tensor
from torch.nn import functional as F

RED_GREEN_BLUE_TO_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# From RGB to luma and the two chroma axes of YIQ (BT.601 luma, NTSC chroma)
RED_GREEN_BLUE_TO_YIQ = (RED_GREEN_BLUE_TO_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))

Share = Annotated[float, Field(gt=0, le=1)]
Augmentation = Callable[[Tensor, torch.Generator | None], Tensor]


def apply(
    augmentation: Augmentation, images: Tensor, value_range: Sequence[float], generator: torch.Generator | None = None
) -> Tensor:
    """Apply an augmentation to images in `value_range`, through the range that it declares."""
    low, high = value_range
    expected: tuple[float, float] | None = getattr(augmentation, "value_range", None)
    if expected is None or tuple(expected) == (low, high):
        return augmentation(images, generator)
    scale = (expected[1] - expected[0]) / (high - low)
    augmented = augmentation((images - low) * scale + expected[0], generator)
    return (augmented - expected[0]) / scale + low


def uniform(images: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """Draw one number in [low, high) for each image; N×1×1×1."""
    draws = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)
    return low + (high - low) * draws


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror left and right with the given probability."""

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Flip some of the images."""
        return torch.where(uniform(images, 0, 1, generator) < self.probability, images.flip(-1), images)


def windows(padded: Tensor, rows: Tensor, columns: Tensor, shape: Sequence[int]) -> Tensor:
    """Cut from each padded image the window of the given shape whose first row and column are given."""
    views = padded.unfold(2, shape[2], 1).unfold(3, shape[3], 1)  # N×C×rows×columns×H×W
    return views[torch.arange(len(padded), device=padded.device), :, rows, columns]


@dataclass(frozen=True)
class RandomCrop:
    """Shift by a whole number of pixels, up to `padding` each way; what comes in is mirrored (`reflect`) or 0."""

    value_range: ClassVar = (0.0, 1.0)
    padding: NonNegativeInt  # less than a side where it is mirrored
    fill: Literal["reflect", "zeros"] = "reflect"

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Shift each image by its own draw."""
        padded = F.pad(images, (self.padding,) * 4, mode="reflect" if self.fill == "reflect" else "constant")
        shifts = torch.randint(2 * self.padding + 1, (2, len(images)), generator=generator, device=images.device)
        return windows(padded, shifts[0], shifts[1], images.shape)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Enlarge a random rectangle to the full image, bilinearly. A side that would exceed the image is cut to it."""

    value_range: ClassVar = (0.0, 1.0)
    scale: tuple[Share, Share] = (0.7, 1.0)  # lowest and highest share of the image's area, in (0, 1]
    ratio: tuple[PositiveFloat, PositiveFloat] = (
        3 / 4,
        4 / 3,
    )  # lowest and highest width / height, drawn log-uniformly

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Cut and enlarge each image by its own draw."""
        area = uniform(images, *self.scale, generator)
        ratio = uniform(images, math.log(self.ratio[0]), math.log(self.ratio[1]), generator).exp()
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        # Normalised coordinates run from -1 to 1: a rectangle of relative width w has its centre within ±(1 - w).
        centre_x = uniform(images, -1, 1, generator) * (1 - width)
        centre_y = uniform(images, -1, 1, generator) * (1 - height)
        zero = torch.zeros_like(width)
        maps = torch.stack([width, zero, centre_x, zero, height, centre_y], dim=-1).view(-1, 2, 3)
        grid = F.affine_grid(maps, list(images.shape), align_corners=False)
        enlarged = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return enlarged.clamp(0, 1)  # interpolation weights may sum to a rounding error above 1


@dataclass(frozen=True)
class ColorJitter:
    """Change brightness, contrast, saturation and hue, in this order, then clamp to [0, 1] once.

    Brightness, contrast and saturation are multiplied by a factor drawn from [max(0, 1 - x), 1 + x], where contrast is
    taken about the image's mean luma. Hue turns the chroma plane of YIQ by up to ±`hue` of a full turn, which keeps the
    luma (turning the hue of HSV does not). Grey images: brightness and contrast only.
    """

    value_range: ClassVar = (0.0, 1.0)
    brightness: NonNegativeFloat = 0.0
    contrast: NonNegativeFloat = 0.0
    saturation: NonNegativeFloat = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Change the colours of each image by its own draw."""

        def factor(strength: float) -> Tensor:
            return uniform(images, max(0.0, 1 - strength), 1 + strength, generator)

        images = images * factor(self.brightness)
        images = torch.lerp(_luma(images).mean(dim=(-2, -1), keepdim=True), images, factor(self.contrast))
        if images.shape[1] == 3:
            images = torch.lerp(_luma(images), images, factor(self.saturation))
            if self.hue:
                images = _turn_hue(images, uniform(images, -self.hue, self.hue, generator) * (2 * math.pi))
        return images.clamp(0, 1)


def _luma(images: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(RED_GREEN_BLUE_TO_LUMA)
    return (images * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _turn_hue(images: Tensor, angles: Tensor) -> Tensor:
    to_yiq = images.new_tensor(RED_GREEN_BLUE_TO_YIQ)
    cosine, sine = angles.flatten().cos(), angles.flatten().sin()
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    turn = torch.stack([one, zero, zero, zero, cosine, -sine, zero, sine, cosine], dim=-1).view(-1, 3, 3)
    return torch.einsum("nij,njhw->nihw", torch.linalg.inv(to_yiq) @ turn @ to_yiq, images)
