"""One `.npz` file in the layout of MedMNIST: train_images, train_labels and, if there is a test split, test_*."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import NonNegativeInt

from gan_experiments.datasets.base import TensorImageSet, check_class_names, check_labels
from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class NpzSource:
    """Images uint8, N×H×W or N×H×W×3, square; labels whole numbers 0..num_classes-1, N or N×1.

    Arrays other than train_* and test_* (MedMNIST's val_*) are left alone.
    """

    path: str | None
    num_classes: NonNegativeInt | None = None  # null: the highest training label + 1; 0: the images are unlabelled
    class_names: Sequence[str] | None = None  # where null, the numbers

    def describe(self) -> DatasetFacts:
        """Read the headers of the images, and the labels."""
        path = self._existing_path()
        size, num_train = self._image_header(path, "train")
        labels = self._labels(path, "train", num_train)
        num_classes = int(labels.max()) + 1 if self.num_classes is None else self.num_classes
        names = check_class_names(num_classes, self.class_names, str(path))
        check_labels(labels, names, "train", f"{path}: train_labels")
        num_test = 0
        if "test_images" in _names(path):
            test_size, num_test = self._image_header(path, "test")
            if test_size != size:
                raise UserError(
                    f"{path}: (size, channels) of train_images are {size}, but of test_images {test_size}. "
                    "Give both the same."
                )
            check_labels(self._labels(path, "test", num_test), names, "test", f"{path}: test_labels")
        return DatasetFacts(*size, num_classes, names, num_train, num_test)

    def open(self, split: Split) -> TensorImageSet:
        import torch

        facts, path = self.describe(), self._existing_path()
        if split == "test" and facts.num_test == 0:
            raise UserError(
                f"{path}: there is no held-out split. Add test_images and test_labels, "
                "or measure against the train split."
            )
        images = _read(path, f"{split}_images", _array)
        images = images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)
        labels = self._labels(path, split, len(images))
        return TensorImageSet(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels))

    def _existing_path(self) -> Path:
        if not self.path:
            raise UserError("dataset=npz: no file is named. Write dataset.path=FILE.npz.")
        path = Path(self.path).expanduser()
        if not path.is_file():
            raise UserError(f"dataset.path={path}: there is no such file. Write dataset.path=FILE.npz.")
        return path

    def _image_header(self, path: Path, split: Split) -> tuple[tuple[int, int], int]:
        """Return ((image size, channels), number of images) from the header of the split's images."""
        name = f"{split}_images"
        shape, dtype = _read(path, name, _header)
        squares = len(shape) >= 3 and shape[1] == shape[2] and shape[3:] in ((), (3,))
        if dtype != np.uint8 or 0 in shape or not squares:
            raise UserError(
                f"{path}: {name} is {dtype} of shape {shape}. Save square images as uint8 (0 black to 255 white), "
                "N×H×W (grey) or N×H×W×3 (colour), at least one."
            )
        return (shape[1], 1 if len(shape) == 3 else 3), shape[0]

    def _labels(self, path: Path, split: Split, num_images: int) -> NDArray[np.int64]:
        if self.num_classes == 0:
            return np.zeros(num_images, np.int64)
        name = f"{split}_labels"
        shape, dtype = _read(path, name, _header)
        if dtype.kind not in "iub" or shape not in ((num_images,), (num_images, 1)):
            raise UserError(
                f"{path}: {name} is {dtype} of shape {shape} for {num_images} images. Save one whole number for each "
                "image, or write dataset.num_classes=0 to take the images as unlabelled."
            )
        return _read(path, name, _array).reshape(num_images).astype(np.int64)


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(name.removesuffix(".npy") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: not an npz file ({error}). Save it with numpy.savez, or copy it again.") from error


def _read(path: Path, name: str, parse: Callable[[IO[bytes]], T]) -> T:
    """Parse one array of the file, or as much of it as is wanted."""
    if name not in (names := _names(path)):
        raise UserError(
            f"{path}: there is no array {name!r}, only {', '.join(names)}. "
            "Save the arrays as train_images, train_labels, test_images, test_labels (the layout of MedMNIST)."
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            return parse(member)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: array {name!r} cannot be read ({error}). Save or copy the file again.") from error


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type without the content: at most a few hundred bytes of the zip member."""
    np.lib.format.read_magic(member)
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)  # later versions are for arrays of records
    return shape, dtype


def _array(member: IO[bytes]) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array
