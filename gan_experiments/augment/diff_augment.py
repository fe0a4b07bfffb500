"""DiffAugment: what the discriminator is shown of real and generated images alike.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", with the strengths of the authors'
code, for values in [-1, 1]. Their order is color, translation, cutout.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from gan_experiments.augment.operations import uniform, windows

Stream = torch.Generator | None


@dataclass(frozen=True)
class Color:
    """Change brightness, then saturation, then contrast, each with u drawn from [0, 1).

    x + (u - ½)·brightness; m + (x - m)·(1 + (2u - 1)·saturation) with m the mean over channels; m + (x - m)·(1 + (u -
    ½)·contrast) with m the mean of the image. Values are not clamped. Saturation leaves grey images alone.
    """

    value_range: ClassVar = (-1.0, 1.0)
    brightness: float = 1.0
    saturation: float = 1.0
    contrast: float = 1.0

    def __call__(self, images: Tensor, generator: Stream = None) -> Tensor:
        """Change the colours of each image by its own draws."""
        return self.change(images, *(uniform(images, 0, 1, generator) for _ in range(3)))

    def change(self, images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
        """Change the colours by draws from [0, 1), each N×1×1×1."""
        images = images + (brightness - 0.5) * self.brightness
        mean = images.mean(dim=1, keepdim=True)
        images = mean + (images - mean) * (1 + (2 * saturation - 1) * self.saturation)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        return mean + (images - mean) * (1 + (contrast - 0.5) * self.contrast)


@dataclass(frozen=True)
class Translation:
    """Shift by whole pixels, up to `ratio` of a side each way (rounded); 0, a mid grey, comes in."""

    value_range: ClassVar = (-1.0, 1.0)
    ratio: Annotated[float, Field(ge=0, lt=1)] = 0.125

    def __call__(self, images: Tensor, generator: Stream = None) -> Tensor:
        """Shift each image by its own draw."""
        limits = [int(side * self.ratio + 0.5) for side in images.shape[2:]]
        rows, columns = (
            torch.randint(-limit, limit + 1, (len(images),), generator=generator, device=images.device)
            for limit in limits
        )
        return self.shift(images, rows, columns)

    def shift(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return out[i, j] = x[i + rows, j + columns], shifts (N) within the limits."""
        down, right = (int(side * self.ratio + 0.5) for side in images.shape[2:])
        return windows(F.pad(images, (right, right, down, down)), rows + down, columns + right, images.shape)


@dataclass(frozen=True)
class Cutout:
    """Set a rectangle of `ratio` of each side (rounded) to 0, a mid grey; it may reach over the border."""

    value_range: ClassVar = (-1.0, 1.0)
    ratio: Annotated[float, Field(ge=0, le=1)] = 0.5

    def __call__(self, images: Tensor, generator: Stream = None) -> Tensor:
        """Cut each image by its own draw."""
        rows, columns = (self._covered(images, dimension, generator) for dimension in (2, 3))
        return images * ~(rows[:, None, :, None] & columns[:, None, None, :])

    def _covered(self, images: Tensor, dimension: int, generator: Stream) -> Tensor:
        """Draw which rows or columns lie within the rectangle, N×side."""
        side = images.shape[dimension]
        size = int(side * self.ratio + 0.5)
        center = torch.randint(side + (1 - size % 2), (len(images), 1), generator=generator, device=images.device)
        # As in the authors' code, what would lie beyond the border is pushed onto its last row or column.
        first, last = ((center - size // 2 + offset).clamp(0, side - 1) for offset in (0, size - 1))
        positions = torch.arange(side, device=images.device)
        return (first <= positions) & (positions <= last)
