"""Any folder of images, with or without class sub-folders, read lazily. Needs no torch to be described."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan_experiments.data.image_file import Fit, decode_square, image_extensions, open_image
from gan_experiments.data.image_set import check_labels
from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

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
        """Decode the images at `indices` (int64, n): uint8, n×C×H×W.

        Raises:
            UserError: names the file that cannot be decoded.
        """
        import torch

        # One after another: threads were no faster on two cores, and the loader's workers read side by side anyway.
        return torch.from_numpy(np.stack([self.decode(self.paths[index]) for index in indices.tolist()]))


@dataclass(frozen=True)
class ImageFolderSource:
    """A folder whose sub-folders are the classes (named by them, in sorted order), or that holds the images itself.

    A deterministic share of the files, chosen by a hash of their relative names, is held out for testing.
    """

    path: str | None
    image_size: int | None = None  # side of the square that images are brought to; null: the size common to all
    channels: int | None = None  # 1 grey or 3 colour; null: 3 if any header says colour or palette
    fit: Fit = "resize"  # changes the aspect ratio; `crop` cuts the largest central square first
    background: Sequence[int] = (255, 255, 255)  # red, green, blue, 0..255, that transparent parts are laid over
    holdout_fraction: float = 0.1  # share of the files held out, in [0, 1)

    def describe(self) -> DatasetFacts:
        """Read every file's header.

        Raises:
            UserError: the folder is missing or empty, a class lacks images, a header cannot be read, sizes differ.
        """
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
        """Make the split ready for reading. Where image_size and channels are given, no header is read again.

        Raises:
            UserError: as `describe`, or the split lacks images.
        """
        import torch

        image_size, channels = self.image_size, self.channels
        if image_size is None or channels is None:
            facts = self.describe()
            image_size, channels = facts.image_size, facts.channels
        folder, class_names, found = self._scan()
        names = [name for name in found if self._is_held_out(name) == (split == "test")]
        origin = f"{folder}, {split} split with dataset.source.holdout_fraction={self.holdout_fraction}"
        if not names:
            raise UserError(f"{origin}: there is no image in it. Add images, or write another fraction.")
        labels = np.array([found[name] for name in names], np.int64)
        check_labels(labels, class_names, split, origin)
        decode = partial(
            decode_square, image_size=image_size, channels=channels, fit=self.fit, background=self.background
        )
        return FolderImageSet([folder / name for name in names], torch.from_numpy(labels), decode)

    def _scan(self) -> tuple[Path, list[str], dict[str, int]]:
        """Give the folder, the class names and each image's label, after a check of the arguments."""
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
        if not self.path:
            raise UserError("dataset=image_folder: no folder is named. Write dataset.path=FOLDER.")
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            problem = "is a file, not a folder" if folder.exists() else "does not exist"
            raise UserError(f"dataset.path={folder} {problem}. Write dataset.path=FOLDER, a folder of images.")
        return folder, *_labelled_images(folder)

    def _is_held_out(self, name: str) -> bool:
        # File systems differ in how they compose accents; the share must not.
        digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") < self.holdout_fraction * 2**64


def _labelled_images(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Give the class names (none where unlabelled) and the label of each image by its relative name, in sorted order.

    Names have forward slashes. What is hidden is left out.
    """
    extensions = image_extensions()
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


def _images(folder: Path, extensions: frozenset[str]) -> Iterator[Path]:
    for parent, subfolders, names in os.walk(folder):  # follows a link to a class, not links inside it: no circles
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and (path := Path(parent, name)).suffix.lower() in extensions:
                yield path


def _common_size(folder: Path, examples: Mapping[tuple[int, int], str]) -> int:
    """Give the side that all images have; `examples` names one image of each size."""
    (width, height), *others = examples
    if others:
        other_width, other_height = others[0]
        raise UserError(
            f"{folder}: images differ in size, {examples[width, height]} is {width}×{height} and "
            f"{examples[others[0]]} {other_width}×{other_height} pixels. "
            "Write dataset.image_size=PIXELS to bring all to one square size."
        )
    if width != height:
        raise UserError(
            f"{folder}: images are {width}×{height} pixels. Write dataset.image_size=PIXELS to bring them to a square."
        )
    return width
