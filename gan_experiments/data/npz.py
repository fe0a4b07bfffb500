"""One `.npz` file in the layout of MedMNIST: train_images, train_labels and, if there is a test split, test_*."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_experiments.data.image_set import TensorImageSet, check_class_names, check_labels
from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NpzSource:
    """Images uint8, N×H×W or N×H×W×3, square; labels whole numbers 0..num_classes-1, N or N×1.

    Arrays other than train_* and test_* (MedMNIST's val_*) are left alone.

    Args:
        path: the file.
        num_classes: where null, the highest training label + 1; 0 takes the images as unlabelled.
        class_names: where null, the numbers.

    """

    def __init__(
        self, path: str | None, num_classes: int | None = None, class_names: Sequence[str] | None = None
    ) -> None:
        self.path = path
        self.num_classes = num_classes
        self.class_names = class_names

    def describe(self) -> DatasetFacts:
        """Read the headers of the images, and the labels.

        Raises:
            UserError: the file is missing or not in this layout, or its arrays do not fit each other.

        """
        path = self._existing_path()
        keys = _keys(path)
        image_size, channels, num_train = self._image_header(path, keys, "train")
        labels = self._labels(path, keys, "train", num_train)
        num_classes = int(labels.max()) + 1 if self.num_classes is None else self.num_classes
        names = check_class_names(num_classes, self.class_names, str(path))
        check_labels(labels, num_classes, names, f"{path}: train_labels")
        num_test = 0
        if "test_images" in keys:
            test_size, test_channels, num_test = self._image_header(path, keys, "test")
            if (test_size, test_channels) != (image_size, channels):
                raise UserError(
                    f"{path}: train_images are {image_size}×{image_size}×{channels}, but test_images are "
                    f"{test_size}×{test_size}×{test_channels}. Give both the same size and channels."
                )
            labels = self._labels(path, keys, "test", num_test)
            check_labels(labels, num_classes, names, f"{path}: test_labels", every_class=False)
        return DatasetFacts(image_size, channels, num_classes, names, num_train, num_test)

    def open(self, split: Split) -> TensorImageSet:
        """Load the split into memory.

        Raises:
            UserError: as `describe`, or there is no such split.

        """
        import torch

        facts = self.describe()
        path = self._existing_path()
        if split == "test" and facts.num_test == 0:
            raise UserError(
                f"{path}: there is no held-out split. Add test_images and test_labels, "
                f"or measure against the train split. Its arrays: {', '.join(sorted(_keys(path)))}."
            )
        images = _load(path, f"{split}_images")
        labels = self._labels(path, _keys(path), split, len(images))
        images = images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)
        return TensorImageSet(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels))

    def _existing_path(self) -> Path:
        if not self.path:
            raise UserError("dataset=npz: no file is named. Write dataset.path=FILE.npz.")
        path = Path(self.path).expanduser()
        if not path.is_file():
            raise UserError(f"dataset.path={path}: there is no such file. Write dataset.path=FILE.npz.")
        return path

    def _image_header(self, path: Path, keys: Sequence[str], split: Split) -> tuple[int, int, int]:
        """Give (image size, channels, number of images) from the header of the split's images."""
        name = f"{split}_images"
        shape, dtype = _header(path, keys, name)
        if dtype != np.uint8:
            raise UserError(f"{path}: {name} is {dtype}. Save it as uint8, 0 black to 255 white.")
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
            raise UserError(f"{path}: {name} has shape {shape}. Save it as N×H×W (grey) or N×H×W×3 (colour).")
        if shape[0] == 0 or shape[1] == 0:
            raise UserError(f"{path}: {name} is empty, its shape is {shape}. Leave the split out, or use other data.")
        if shape[1] != shape[2]:
            raise UserError(f"{path}: {name} are {shape[1]}×{shape[2]} pixels. Crop or resize them to a square.")
        return shape[1], 1 if len(shape) == 3 else 3, shape[0]

    def _labels(self, path: Path, keys: Sequence[str], split: Split, num_images: int) -> NDArray[np.int64]:
        if self.num_classes == 0:
            return np.zeros(num_images, np.int64)
        name = f"{split}_labels"
        shape, dtype = _header(path, keys, name)
        if dtype.kind not in "iub":
            raise UserError(f"{path}: {name} is {dtype}. Save whole numbers 0..num_classes-1.")
        if len(shape) == 2 and shape[1] > 1:
            raise UserError(
                f"{path}: {name} has shape {shape}: several labels for one image. "
                "Save one class for each image, or write dataset.num_classes=0 to take the images as unlabelled."
            )
        if shape not in ((num_images,), (num_images, 1)):
            raise UserError(f"{path}: {name} has shape {shape} for {num_images} images. Save one label for each image.")
        return _load(path, name).reshape(num_images).astype(np.int64)


def _keys(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: not an npz file ({error}). Save it with numpy.savez, or copy it again.") from error


def _header(path: Path, keys: Sequence[str], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read an array's shape and type without its content: at most a few hundred bytes of the zip member."""
    if name not in keys:
        raise UserError(
            f"{path}: there is no array {name!r}, only {', '.join(sorted(keys))}. "
            "Save the arrays as train_images, train_labels, test_images, test_labels (the layout of MedMNIST)."
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: array {name!r} cannot be read ({error}). Save or copy the file again.") from error
    return shape, dtype


def _load(path: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[Any] = archive[name]
            return array
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: array {name!r} cannot be read ({error}). Save or copy the file again.") from error
