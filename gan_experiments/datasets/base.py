"""An image set held in memory, and the checks that sources make of labels, sizes and counts. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(eq=False)
class TensorImageSet:
    """Images held in memory."""

    images: Tensor  # uint8, N×C×H×W
    labels: Tensor  # int64, N; zeros where unlabelled

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Tensor) -> Tensor:
        """Copy the images at `indices` (int64, n): uint8, n×C×H×W."""
        return self.images[indices]


def check_labels(labels: NDArray[Any], class_names: Sequence[str], split: Split, origin: str) -> None:
    """Check that labels number the classes from 0 and that no class lacks an image to train with."""
    num_classes = len(class_names)
    if num_classes == 0:
        return
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= num_classes:
        raise UserError(
            f"{origin}: labels start at {lowest} and go up to {highest}, but dataset.num_classes={num_classes} allows "
            f"0..{num_classes - 1}. Number the classes 0, 1, 2, …, or write dataset.num_classes={highest + 1} with as "
            "many dataset.class_names."
        )
    if split == "train" and (missing := set(range(num_classes)) - set(labels.tolist())):
        raise UserError(
            f"{origin}: no image of class {min(missing)} ({class_names[min(missing)]}). "
            "Add images of it, or number the classes that are there from 0 without a gap."
        )


def check_class_names(num_classes: int, class_names: Sequence[str] | None, origin: str) -> list[str]:
    """Return one name for each class, the numbers where none are given."""
    names = [str(i) for i in range(num_classes)] if class_names is None else list(class_names)
    if len(names) != num_classes:
        raise UserError(
            f"{origin}: dataset.class_names has {len(names)} names for {num_classes} classes. "
            "Write one name for each class, or dataset.class_names=null for plain numbers."
        )
    return names


def check_split(shape: Sequence[int], labels: NDArray[Any], facts: DatasetFacts, split: Split, origin: str) -> None:
    """Check what was read of a split, images of `shape` N×C×H×W, against the facts in the config."""
    where = f"{origin}, {split} split"
    num_images = facts.num_train if split == "train" else facts.num_test
    stated = {f"num_{split}": num_images, "channels": facts.channels, "image_size": facts.image_size}
    for (key, expected), found in zip(stated.items(), shape, strict=False):  # all sources give squares
        if expected != found:
            raise UserError(
                f"{where}: dataset.{key}={expected}, but the data have {found}. "
                f"Write dataset.{key}={found}, or use other data."
            )
    check_labels(labels, facts.class_names, split, where)
