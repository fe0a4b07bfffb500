"""Any folder of images, with or without class sub-folders, read lazily. Needs no torch to be described."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from PIL import Image, ImageOps
from pydantic import Field, PositiveInt

from gan_experiments.datasets.base import check_labels
from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Byte = Annotated[int, Field(ge=0, le=255)]
Fit = Literal["resize", "crop"]
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})


@dataclass(eq=False)
class FolderImageSet:
    """Images decoded when they are read."""

    paths: Sequence[Path]
    labels: Tensor
    decode: Callable[[Path], NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Tensor) -> Tensor:
        """Decode the images at `indices` (int64, n): uint8, n×C×H×W."""
        import torch

        # One after another: threads were no faster on two cores, and the loader's workers read side by side anyway.
        return torch.from_numpy(np.stack([self.decode(self.paths[index]) for index in indices.tolist()]))


@dataclass(frozen=True)
class ImageFolderSource:
    """A folder whose sub-folders are the classes (named by them, in sorted order), or that holds the images itself.

    A deterministic share of the files, chosen by a hash of their relative names, is held out for testing.
    """

    path: str | None
    image_size: PositiveInt | None = None  # side of the square that images are brought to; null: the size common to all
    channels: Literal[1, 3] | None = None  # 1 grey or 3 colour; null: 3 if any header says colour or palette
    fit: Fit = "resize"  # changes the aspect ratio; `crop` cuts the largest central square first
    background: tuple[Byte, Byte, Byte] = (255, 255, 255)  # red, green, blue below transparent parts, 0..255
    holdout_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of the files held out

    def describe(self) -> DatasetFacts:
        folder, class_names, labels = self._scan()
        modes, examples = set(), dict[tuple[int, int], str]()
        for name in labels:
            with open_image(folder / name) as image:
                modes.add(image.mode)
                examples.setdefault(image.size, name)
        num_test = sum(map(self._is_held_out, labels))
        return DatasetFacts(
            image_size=self.image_size or _common_size(folder, examples),
            channels=self.channels or (1 if modes <= GREY_MODES else 3),
            num_classes=len(class_names),
            class_names=class_names,
            num_train=len(labels) - num_test,
            num_test=num_test,
        )

    def open(self, split: Split) -> FolderImageSet:
        """Make the split ready for reading. Where image_size and channels are given, no header is read again."""
        import torch

        channels: int | None
        image_size, channels = self.image_size, self.channels
        if image_size is None or channels is None:
            facts = self.describe()
            image_size, channels = facts.image_size, facts.channels
        folder, class_names, label_of = self._scan()
        names = [name for name in label_of if self._is_held_out(name) == (split == "test")]
        origin = f"{folder}, {split} split with dataset.source.holdout_fraction={self.holdout_fraction}"
        if not names:
            raise UserError(f"{origin}: there is no image in it. Add images, or write another fraction.")
        labels = np.array([label_of[name] for name in names], np.int64)
        check_labels(labels, class_names, split, origin)
        decode = partial(
            decode_square, image_size=image_size, channels=channels, fit=self.fit, background=self.background
        )
        return FolderImageSet([folder / name for name in names], torch.from_numpy(labels), decode)

    def _scan(self) -> tuple[Path, list[str], dict[str, int]]:
        """Return the folder, the class names and each image's label."""
        if not self.path:
            raise UserError("dataset=image_folder: no folder is named. Write dataset.path=FOLDER.")
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise UserError(f"dataset.path={folder} does not exist or is no folder. Write dataset.path=FOLDER.")
        return folder, *_labelled_images(folder)

    def _is_held_out(self, name: str) -> bool:
        # File systems differ in how they compose accents; the share must not.
        digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") < self.holdout_fraction * 2**64


def _labelled_images(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Return the class names (none where unlabelled) and the label of each image by its relative name, in sorted order.

    Names have forward slashes. What is hidden is left out.
    """
    kinds = Image.registered_extensions()  # fills Image.OPEN too
    extensions = {extension for extension, kind in kinds.items() if kind in Image.OPEN}
    items = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    loose = [item.name for item in items if item.suffix.lower() in extensions and not item.is_dir()]
    images = {item.name: list(_images(item, extensions)) for item in items if item.is_dir()}
    if not any(images.values()):
        if not loose:
            raise UserError(f"{folder}: no image in it. Write dataset.path=FOLDER, with files such as .png or .jpg.")
        return [], dict.fromkeys(loose, 0)
    if loose:
        raise UserError(
            f"{folder}: {len(loose)} images, such as {loose[0]}, lie beside the class sub-folders "
            f"{', '.join(list(images)[:3])}. Move them into a class, or keep only images or only sub-folders."
        )
    for name, paths in images.items():
        if not paths:
            raise UserError(f"{folder / name}: the class sub-folder holds no image. Add some, or take it away.")
    labels = {path.relative_to(folder).as_posix(): i for i, paths in enumerate(images.values()) for path in paths}
    return list(images), dict(sorted(labels.items()))


def _images(folder: Path, extensions: Set[str]) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in extensions and not hidden:
            yield path


def _common_size(folder: Path, examples: Mapping[tuple[int, int], str]) -> int:
    """Return the side that all images have; `examples` names one image of each size."""
    if len({side for size in examples for side in size}) > 1:
        sizes = ", ".join(f"{name} is {width}×{height}" for (width, height), name in list(examples.items())[:2])
        raise UserError(
            f"{folder}: images are not squares of one size: {sizes} pixels. "
            "Write dataset.image_size=PIXELS to bring all to one square size."
        )
    return next(iter(examples))[0]


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file; only its header is read until pixels are asked for."""
    try:
        with Image.open(path) as image:
            if image.mode == "F":
                raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
            yield image
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, …
        raise UserError(f"{path}: not a readable image ({error}). Replace it, or take it out of the folder.") from error


def decode_square(path: Path, image_size: int, channels: int, fit: Fit, background: Sequence[int]) -> NDArray[np.uint8]:
    """Decode a file, turned upright, to a square: uint8, C×H×W. The arguments are those of `ImageFolderSource`."""
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
