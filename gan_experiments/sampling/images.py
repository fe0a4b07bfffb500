"""From a model's value range to pixels, in one place."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid


def to_uint8(images: Tensor, value_range: Sequence[float]) -> tuple[Tensor, float]:
    """Map images from `value_range` to 0..255, rounded half to even.

    Args:
        images: float, any shape.
        value_range: the values of black and white.

    Returns:
        The pixels (uint8, same shape), and the share of values that lay outside the range and were clipped.
    """
    low, high = value_range
    scaled = (images.float() - low) / (high - low)
    clipped = ((scaled < 0) | (scaled > 1)).float().mean().item()
    return (scaled.clamp(0, 1) * 255).round().to(torch.uint8), clipped


def save_grid(pixels: Tensor, columns: int, path: Path | IO[bytes], smallest_side: int = 40) -> None:
    """Save N×C×H×W pixels (uint8) as a PNG grid; small images are enlarged by whole factors, to be seen.

    Args:
        pixels: the images, row by row.
        columns: images in a row.
        path: the file, or one that is open.
        smallest_side: images smaller than this are enlarged to at least it.
    """
    factor = max(1, -(-smallest_side // pixels.shape[-1]))
    enlarged = pixels.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    grid = make_grid(enlarged.cpu(), nrow=columns, padding=2, pad_value=128)
    Image.fromarray(np.asarray(grid.permute(1, 2, 0))).save(path, format="PNG")
