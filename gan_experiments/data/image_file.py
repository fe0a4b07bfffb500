"""Decoding one image file of any kind that Pillow reads into a square 8-bit array. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps

from gan_experiments.types import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fit = Literal["resize", "crop"]

NOT_PICTURES = frozenset({"BUFR", "GRIB", "HDF5", "MPEG"})  # Pillow opens their headers but decodes none


def image_extensions() -> frozenset[str]:
    """Give the file extensions (lower case, with the dot) of the kinds that Pillow decodes."""
    kinds = Image.registered_extensions()  # fills Image.OPEN too
    return frozenset(end for end, kind in kinds.items() if kind in Image.OPEN and kind not in NOT_PICTURES)


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


@dataclass(frozen=True)
class SquareLayout:
    """How an image becomes a square array.

    Args:
        image_size: side, pixels.
        channels: 1 grey, 3 colour.
        fit: `resize` changes the aspect ratio, `crop` cuts the largest central square first.
        background: red, green, blue, 0..255, that transparent parts are laid over.

    """

    image_size: int
    channels: int
    fit: Fit
    background: tuple[int, int, int]

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """Decode a file, turned upright: uint8, C×H×W.

        Raises:
            UserError: names the file that cannot be decoded.

        """
        with open_image(path) as opened:
            image = self._flatten(ImageOps.exif_transpose(opened))
        if self.fit == "crop":
            side = min(image.size)
            image = ImageOps.fit(image, (side, side), Image.Resampling.NEAREST)  # no resampling at this size
        if image.size != (self.image_size, self.image_size):
            image = image.resize((self.image_size, self.image_size), Image.Resampling.BICUBIC)  # antialiased
        pixels = np.asarray(image)
        return pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1)

    def _flatten(self, image: Image.Image) -> Image.Image:
        """Bring any mode to 8-bit grey or RGB. Before resizing, or hidden colours of transparent parts would bleed."""
        if image.mode.startswith("I"):
            image = _to_8_bit(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (*self.background, 255)), image)
        return image.convert("L" if self.channels == 1 else "RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255 (Pillow's own conversion cuts at 255)."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"its values {values.min()}..{values.max()} are not 16-bit")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
