"""Any data set of torchvision with the usual constructor, from a directory or downloaded there."""

from __future__ import annotations

import inspect
import shutil
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_experiments.datasets.base import TensorImageSet, check_class_names, check_split
from gan_experiments.datasets.npz import NpzSource
from gan_experiments.types import DatasetFacts, Split, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NETWORK_TIMEOUT_SECONDS = 30.0  # machines behind a firewall drop packets, and torchvision would wait for minutes


@dataclass(frozen=True)
class TorchvisionSource:
    """A set that torchvision can build from (root, train or split, download), at its native square size.

    Looked for in `directory`: torchvision's own layout, then one file `<name>.npz` in MedMNIST's layout; then
    downloaded. Torchvision is asked only when a split is opened, so the facts come from the yaml and are checked then.
    """

    name: str  # of the yaml and of the npz file
    dataset: str  # torchvision's class, such as `FashionMNIST`
    directory: str | None  # where the data are or will be
    image_size: int  # side, pixels
    channels: int  # 1 grey, 3 colour
    num_classes: int  # labels are 0..num_classes-1
    num_train: int  # images to train with
    num_test: int  # images held out
    class_names: Sequence[str] | None = None  # where null, the numbers

    def describe(self) -> DatasetFacts:
        names = check_class_names(self.num_classes, self.class_names, f"dataset={self.name}")
        return DatasetFacts(self.image_size, self.channels, self.num_classes, names, self.num_train, self.num_test)

    def open(self, split: Split) -> TensorImageSet:
        """Load the split into memory; download the data where they are not in the directory."""
        import torch

        facts = self.describe()
        if not self.directory:
            raise UserError(
                f"dataset={self.name}: no data_dir is set. Write data_dir=DIRECTORY, set the environment variable "
                "GAN_EXPERIMENTS_DATA, or write dataset=digits, which needs no download."
            )
        directory = Path(self.directory).expanduser()
        single_file = directory / f"{self.name}.npz"
        builder = self._builder(split)
        try:
            content = builder(str(directory))
        except Exception as error:  # not there (RuntimeError), or damaged (anything)
            if single_file.is_file():
                images = NpzSource(str(single_file), self.num_classes, self.class_names).open(split)
                check_split(images.images.shape, images.labels.numpy(), facts, split, str(single_file))
                return images
            content = self._download(builder, directory, reason=error)
        pixels, labels = self._arrays(content)
        check_split(pixels.shape, labels, facts, split, f"{directory}, torchvision's {self.dataset}")
        return TensorImageSet(torch.from_numpy(pixels), torch.from_numpy(labels))

    def _builder(self, split: Split) -> partial[Any]:
        """Find torchvision's class and how it names its splits."""
        builder = getattr(import_module("torchvision.datasets"), self.dataset)
        if "train" in inspect.signature(builder).parameters:
            return partial(builder, train=split == "train")
        return partial(builder, split=split)

    def _download(self, builder: partial[Any], directory: Path, reason: Exception) -> Any:
        """Download into a directory beside the data and move the finished files, so that no half file is left."""
        archives = _archives(builder.func)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=directory) as temporary:
                for archive in archives:  # those that the user has put there need not be downloaded
                    if (directory / archive).is_file():
                        Path(temporary, archive).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(directory / archive, Path(temporary, archive))
                before = socket.getdefaulttimeout()
                socket.setdefaulttimeout(NETWORK_TIMEOUT_SECONDS)
                try:
                    builder(temporary, download=True)
                finally:
                    socket.setdefaulttimeout(before)
                for path in [path for path in Path(temporary).rglob("*") if path.is_file()]:
                    target = directory / path.relative_to(temporary)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
            return builder(str(directory))
        except Exception as error:  # no network, no permission, a full disk, a damaged archive: many types
            files = "\n".join(f"  {directory / name}" for name in archives) or "  (as torchvision documents them)"
            raise UserError(
                f"dataset={self.name}: the data are not ready in data_dir={directory} "
                f"({_short(reason)}) and cannot be downloaded ({_short(error)}).\n"
                f"Put these files there yourself:\n{files}\n"
                f"or one file {directory / self.name}.npz with train_images, train_labels, test_images, test_labels.\n"
                "If they lie elsewhere, write data_dir=DIRECTORY or set the environment variable GAN_EXPERIMENTS_DATA. "
                "Without any data, write dataset=digits."
            ) from error

    def _arrays(self, content: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return pixels uint8 N×C×H×W and labels: the set's own arrays where they are plain, else image by image."""
        size = (self.image_size, self.image_size)
        data, labels = getattr(content, "data", None), getattr(content, "targets", getattr(content, "labels", None))
        if data is not None and labels is not None and (pixels := np.asarray(data)).dtype == np.uint8:
            for arranged in (pixels[:, None], np.moveaxis(pixels, -1, 1), pixels):  # of N×H×W, N×H×W×C and N×C×H×W
                if arranged.shape[1:] == (self.channels, *size):
                    return np.ascontiguousarray(arranged), np.asarray(labels, np.int64)
        decoded, targets = [], []
        for i in range(len(content)):
            image, target = content[i]
            if image.size != size:
                raise UserError(
                    f"dataset={self.name}: image {i} is {image.width}×{image.height} pixels, not "
                    f"dataset.image_size={self.image_size}. Correct it, or save the images in a folder and write "
                    "dataset=image_folder, which resizes."
                )
            image = np.asarray(image.convert("L" if self.channels == 1 else "RGB"))
            decoded.append(image.reshape(*size, self.channels).transpose(2, 0, 1))
            targets.append(int(target))
        return np.stack(decoded), np.array(targets, np.int64)


def _archives(builder: Any) -> list[str]:
    """Name the archives that torchvision downloads, relative to its root."""
    if hasattr(builder, "resources"):  # the MNIST family
        return [f"{builder.__name__}/raw/{name}" for name, _ in builder.resources]
    if hasattr(builder, "filename"):  # the CIFAR family, STL10
        return [builder.filename]
    if isinstance(getattr(builder, "split_list", None), dict):  # SVHN, USPS
        return [entry[1] for key, entry in builder.split_list.items() if key in ("train", "test")]
    return []


def _short(error: Exception) -> str:
    text = str(error).partition("You can use download=True")[0]  # advice for callers of torchvision
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}"
