"""What a training loop draws its batches from: no hidden state, every batch a pure function of its iteration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gan_experiments.data.image_set import TensorImageSet
from gan_experiments.data.order import batch_indices, epoch_order, stream_seed
from gan_experiments.types import Batch, ImageSet, UserError

Augmentation = Callable[[Tensor, torch.Generator], Tensor]
CHUNK_SIZE = 1024  # images read at once where all are read


class Pipeline:
    """Batches of an image set in a seeded order, augmented in [0, 1] and then mapped to the model's value range.

    Batch k is a pure function of (seed, k, rank, world_size), the same bit for bit from memory and through workers.

    Args:
        image_set: the training images.
        batch_size: images of a global batch, over all processes.
        seed: of the order and of the augmentations.
        value_range: what black and white become.
        augmentations: by name, applied in this order.
        device: where the batches are made.
        rank: number of this process.
        world_size: number of processes, each of which takes an equal share of every batch.
        in_memory: hold all images once as uint8 on the device. Otherwise they are read anew in each epoch.
        num_workers: processes that read, where not in memory.

    Raises:
        UserError: the batch is larger than the set or does not divide among the processes.

    """

    def __init__(
        self,
        image_set: ImageSet,
        *,
        batch_size: int,
        seed: int,
        value_range: Sequence[float] = (-1.0, 1.0),
        augmentations: Mapping[str, Augmentation] | None = None,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world_size: int = 1,
        in_memory: bool = True,
        num_workers: int = 0,
    ) -> None:
        if not 0 < batch_size <= len(image_set):
            raise UserError(
                f"batch_size={batch_size}, but there are {len(image_set)} training images, and the last partial batch "
                f"is dropped. Write batch_size={len(image_set)} or less, at least 1, or use more images."
            )
        if batch_size % world_size:
            raise UserError(
                f"batch_size={batch_size} does not divide among {world_size} processes. "
                f"It counts the images of all of them: write a multiple of {world_size}."
            )
        self.image_set = image_set
        self.batch_size = batch_size
        self.seed = seed
        self.low, self.high = value_range
        self.augmentations = dict(augmentations or {})
        self.device = torch.device(device)
        self.rank = rank
        self.world_size = world_size
        self.num_workers = num_workers
        self._images = read_all(image_set).to(self.device) if in_memory else None
        self._labels = image_set.labels.to(self.device)

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in one pass over the data; the last partial batch is dropped."""
        return len(self.image_set) // self.batch_size

    def from_iteration(self, iteration: int) -> Iterator[Batch]:
        """Give batch `iteration` and those after it, to the end of its epoch."""
        epoch, start = divmod(iteration, self.batches_per_epoch)
        order = epoch_order(self.seed, epoch, len(self.image_set))
        raw = self._from_loader(order, start) if self._images is None else self._from_memory(self._images, order, start)
        for offset, (images, labels) in enumerate(raw):
            yield Batch(self._prepare(images, iteration + offset), labels)

    def _from_memory(self, images: Tensor, order: Tensor, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = order.to(self.device)  # once an epoch: a copy for each batch would wait for the device
        for indices in self._shares(order, start):
            yield images[indices], self._labels[indices]

    def _from_loader(self, order: Tensor, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            _ReadBatches(self.image_set),
            sampler=self._shares(order, start),
            batch_size=None,  # an item of the sampler is a whole batch
            num_workers=self.num_workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # for the workers' base seed, which would come from the default stream
        )
        for item in loader:
            if isinstance(item, UserError):
                raise item
            images, labels = item
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def _shares(self, order: Tensor, start: int) -> list[Tensor]:
        positions = range(start, self.batches_per_epoch)
        return [batch_indices(order, at, self.batch_size, self.rank, self.world_size) for at in positions]

    def _prepare(self, images: Tensor, iteration: int) -> Tensor:
        images = images.float() / 255
        if self.augmentations:
            seed = stream_seed("augment", self.seed, iteration, self.rank)
            generator = torch.Generator(self.device).manual_seed(seed)
            for augmentation in self.augmentations.values():
                images = augmentation(images, generator)
        return images * (self.high - self.low) + self.low


class _ReadBatches(Dataset[tuple[Tensor, Tensor] | UserError]):
    """Reads a batch for the loader. The user's error is handed over as it is: a worker would wrap it in a traceback."""

    def __init__(self, image_set: ImageSet) -> None:
        self.image_set = image_set

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor] | UserError:
        try:
            return self.image_set.read(indices), self.image_set.labels[indices]
        except UserError as error:
            return error


def _chunks(image_set: ImageSet) -> Iterator[Tensor]:
    for start in range(0, len(image_set), CHUNK_SIZE):
        yield image_set.read(torch.arange(start, min(start + CHUNK_SIZE, len(image_set))))


def read_all(image_set: ImageSet) -> Tensor:
    """Give all images, uint8, N×C×H×W; those of a set in memory without a copy."""
    if isinstance(image_set, TensorImageSet):
        return image_set.images
    images: Tensor | None = None
    for number, chunk in enumerate(_chunks(image_set)):
        if images is None:
            images = chunk.new_empty((len(image_set), *chunk.shape[1:]))
        images[number * CHUNK_SIZE :][: len(chunk)] = chunk
    assert images is not None, "an image set is not empty"
    return images


def fits_in_memory(image_set: ImageSet, limit_gib: float) -> bool:
    """Say whether all images as uint8 take at most `limit_gib` GiB."""
    return image_set.read(torch.tensor([0])).nbytes * len(image_set) <= limit_gib * 2**30


def fingerprint(image_set: ImageSet) -> str:
    """Hash labels and images in their order to 16 hexadecimal digits. Reads all images, a chunk at a time."""
    digest = hashlib.sha256(image_set.labels.numpy().astype("<i8").tobytes())
    for number, chunk in enumerate(_chunks(image_set)):
        if number == 0:
            digest.update(repr(tuple(chunk.shape[1:])).encode())
        digest.update(chunk.contiguous().numpy().data)
    return digest.hexdigest()[:16]
