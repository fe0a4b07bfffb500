"""Any folder of images, with or without class sub-folders, read lazily. Needs no torch to be described."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gan_experiments.data.image_file import Fit, SquareLayout, image_extensions, open_image
from gan_experiments.data.image_set import check_labels
from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from torch import Tensor

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"})


class FolderImageSet:
    """Images decoded when they are read."""

    def __init__(self, paths: Sequence[Path], labels: Tensor, layout: SquareLayout) -> None:
        self.paths = list(paths)
        self.labels = labels
        self.layout = layout

    def __len__(self) -> int:
        """Give the number of images N."""
        return len(self.paths)

    def read(self, indices: Tensor) -> Tensor:
        """Decode the images at `indices` (int64, n): uint8, n×C×H×W.

        Raises:
            UserError: names the file that cannot be decoded.

        """
        import torch

        paths = [self.paths[index] for index in indices.tolist()]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders release the interpreter's lock
            return torch.from_numpy(np.stack(list(pool.map(self.layout.decode, paths))))


class ImageFolderSource:
    """A folder whose sub-folders are the classes (named by them, in sorted order), or that holds the images itself.

    A deterministic share of the files, chosen by a hash of their relative names, is held out for testing.

    Args:
        path: the folder.
        image_size: side of the square that images are brought to; where null, the native size common to all.
        channels: 1 grey or 3 colour; where null, 3 if any header says colour or palette.
        fit: `resize` changes the aspect ratio, `crop` cuts the largest central square first.
        background: red, green, blue, 0..255, that transparent parts are laid over.
        holdout_fraction: share of the files held out, in [0, 1).

    """

    def __init__(
        self,
        path: str | None,
        image_size: int | None = None,
        channels: int | None = None,
        fit: Fit = "resize",
        background: Sequence[int] = (255, 255, 255),
        holdout_fraction: float = 0.1,
    ) -> None:
        self.path = path
        self.image_size = image_size
        self.channels = channels
        self.fit: Fit = fit
        self.background = background
        self.holdout_fraction = holdout_fraction

    def describe(self) -> DatasetFacts:
        """Read every file's header.

        Raises:
            UserError: the folder is missing or empty, a class lacks images, a header cannot be read, sizes differ.

        """
        self._check_arguments()
        folder = self._existing_folder()
        class_names, files = _scan(folder)
        headers = [_header(folder / file.name) for file in files]
        num_test = sum(self._is_held_out(file.name) for file in files)
        return DatasetFacts(
            image_size=self.image_size or _common_size(folder, files, [size for _, size in headers]),
            channels=self.channels or (1 if all(mode in GREY_MODES for mode, _ in headers) else 3),
            num_classes=len(class_names),
            class_names=class_names,
            num_train=len(files) - num_test,
            num_test=num_test,
        )

    def open(self, split: Split) -> FolderImageSet:
        """Make the split ready for reading. Where image_size and channels are given, no header is read again.

        Raises:
            UserError: as `describe`, or the split lacks images.

        """
        import torch

        image_size, channels = self.image_size, self.channels
        if image_size is None or channels is None:
            facts = self.describe()
            image_size, channels = facts.image_size, facts.channels
        self._check_arguments()
        folder = self._existing_folder()
        class_names, files = _scan(folder)
        files = [file for file in files if self._is_held_out(file.name) == (split == "test")]
        origin = f"{folder}, {split} split with dataset.source.holdout_fraction={self.holdout_fraction}"
        if not files:
            raise UserError(f"{origin}: there is no image in it. Add images, or write another fraction.")
        labels = torch.tensor([file.label for file in files])
        check_labels(labels.numpy(), len(class_names), class_names, origin, every_class=split == "train")
        red, green, blue = self.background
        layout = SquareLayout(image_size, channels, self.fit, (red, green, blue))
        return FolderImageSet([folder / file.name for file in files], labels, layout)

    def _check_arguments(self) -> None:
        if self.channels not in (None, 1, 3):
            raise UserError(
                f"dataset.channels={self.channels}: write 1 (grey), 3 (colour) or null (as the images are)."
            )
        if self.image_size is not None and self.image_size < 1:
            raise UserError(f"dataset.image_size={self.image_size}: write the pixels of a side, or null (as they are).")
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise UserError(f"dataset.source.background={list(self.background)}: write three numbers from 0 to 255.")
        if not 0 <= self.holdout_fraction < 1:
            raise UserError(f"dataset.source.holdout_fraction={self.holdout_fraction}: write 0 or more, below 1.")

    def _existing_folder(self) -> Path:
        if not self.path:
            raise UserError("dataset=image_folder: no folder is named. Write dataset.path=FOLDER.")
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            problem = "is a file, not a folder" if folder.exists() else "does not exist"
            raise UserError(f"dataset.path={folder} {problem}. Write dataset.path=FOLDER, a folder of images.")
        return folder

    def _is_held_out(self, name: str) -> bool:
        # File systems differ in how they compose accents; the share must not.
        digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") < self.holdout_fraction * 2**64


class _File(NamedTuple):
    name: str  # relative to the folder, with forward slashes
    label: int


def _scan(folder: Path) -> tuple[list[str], list[_File]]:
    """Find the class names (none where unlabelled) and the image files, sorted by name; hidden ones are left out."""
    extensions = image_extensions()
    items = [item for item in folder.iterdir() if not item.name.startswith(".")]
    loose = sorted(item.name for item in items if item.suffix.lower() in extensions and not item.is_dir())
    subfolders = sorted(item.name for item in items if item.is_dir())
    found = {name: list(_images(folder / name, extensions)) for name in subfolders}
    empty = [name for name, images in found.items() if not images]
    if len(empty) == len(subfolders):
        if not loose:
            raise UserError(f"{folder}: no image in it. Write dataset.path=FOLDER, with files such as .png or .jpg.")
        return [], [_File(name, 0) for name in loose]
    if loose:
        raise UserError(
            f"{folder}: {len(loose)} images, such as {loose[0]}, lie beside the class sub-folders "
            f"{', '.join(subfolders[:3])}. Move them into a class, or keep only images or only sub-folders."
        )
    if empty:
        raise UserError(f"{folder / empty[0]}: the class sub-folder holds no image. Add some, or take it away.")
    return subfolders, sorted(
        _File(path.relative_to(folder).as_posix(), label)
        for label, name in enumerate(subfolders)
        for path in found[name]
    )


def _images(folder: Path, extensions: frozenset[str]) -> Iterator[Path]:
    for parent, subfolders, names in os.walk(folder):  # follows a link to a class, not links inside it: no circles
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and (path := Path(parent, name)).suffix.lower() in extensions:
                yield path


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    with open_image(path) as image:
        return image.mode, image.size


def _common_size(folder: Path, files: Sequence[_File], sizes: Sequence[tuple[int, int]]) -> int:
    (width, height), first = sizes[0], files[0].name
    for file, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{folder}: images differ in size, {first} is {width}×{height} and {file.name} {size[0]}×{size[1]} "
                "pixels. Write dataset.image_size=PIXELS to bring all to one square size."
            )
    if width != height:
        raise UserError(
            f"{folder}: images are {width}×{height} pixels. Write dataset.image_size=PIXELS to bring them to a square."
        )
    return width
