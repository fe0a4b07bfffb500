"""Decoding one image file of any kind that Pillow reads into a square 8-bit array. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps

from gan_experiments.types import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fit = Literal["resize", "crop"]


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file; only its header is read until pixels are asked for.

    Raises:
        UserError: names the file, where the header or, inside the `with` block, the content cannot be read.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "F":
                raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
            yield image
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, …
        raise UserError(f"{path}: not a readable image ({error}). Replace it, or take it out of the folder.") from error


def decode_square(path: Path, image_size: int, channels: int, fit: Fit, background: Sequence[int]) -> NDArray[np.uint8]:
    """Decode a file, turned upright, to a square: uint8, C×H×W. The arguments are those of `ImageFolderSource`.

    Raises:
        UserError: names the file that cannot be decoded.
    """
    with open_image(path) as opened:
        image = _flatten(ImageOps.exif_transpose(opened), channels, background)
    if fit == "crop":
        side = min(image.size)
        image = ImageOps.fit(image, (side, side), Image.Resampling.NEAREST)  # no resampling at this size
    image = image.resize((image_size, image_size), Image.Resampling.BICUBIC)  # antialiased; a copy at the same size
    return np.asarray(image).reshape(image_size, image_size, channels).transpose(2, 0, 1)


def _flatten(image: Image.Image, channels: int, background: Sequence[int]) -> Image.Image:
    """Bring any mode to 8-bit grey or RGB. Before resizing, or hidden colours of transparent parts would bleed."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow's own conversion cuts at 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"its values {values.min()}..{values.max()} are not 16-bit")
        image = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return image.convert("L" if channels == 1 else "RGB")
