"""What a training loop draws its batches from: no hidden state, every batch a pure function of its iteration."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gan_experiments.augment.operations import Augmentation, apply
from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.rng import stream_seed
from gan_experiments.types import Batch, ImageSet, UserError

CHUNK_SIZE = 1024  # images read at once where all are read


@dataclass(eq=False)
class Pipeline:
    """Batches of an image set in a seeded order, augmented in [0, 1] and then mapped to the model's value range.

    Batch k is a pure function of (seed, k, rank, world_size), the same bit for bit from memory and through workers.
    """

    image_set: ImageSet
    _: KW_ONLY
    batch_size: int  # images of a global batch, over all processes
    seed: int  # of the order and of the augmentations
    value_range: Sequence[float] = (-1.0, 1.0)  # what black and white become
    augmentations: Mapping[str, Augmentation] = field(default_factory=dict)  # by name, applied in this order
    device: torch.device | str = "cpu"  # where the batches are made
    rank: int = 0  # number of this process
    world_size: int = 1  # number of processes, each of which takes an equal share of every batch
    in_memory: bool = True  # hold all images once as uint8 on the device; otherwise read them anew in each epoch
    num_workers: int = 0  # processes that read, where not in memory

    def __post_init__(self) -> None:
        if self.batch_size % self.world_size:
            raise UserError(
                f"batch_size={self.batch_size} does not divide among {self.world_size} processes. "
                f"It counts the images of all of them: write a multiple of {self.world_size}."
            )
        self.batches_per_epoch = len(self.image_set) // self.batch_size  # whole ones; the last partial batch is dropped
        self._images = read_all(self.image_set).to(self.device) if self.in_memory else None
        self._labels = self.image_set.labels.to(self.device)

    def from_iteration(self, iteration: int) -> Iterator[Batch]:
        """Return batch `iteration` and those after it, to the end of its epoch."""
        epoch, start = divmod(iteration, self.batches_per_epoch)
        order = epoch_order(self.seed, epoch, len(self.image_set))
        if self.in_memory:
            order = order.to(self.device)  # once an epoch: a copy for each batch would wait for the device
        positions = range(start, self.batches_per_epoch)
        shares = [batch_indices(order, at, self.batch_size, self.rank, self.world_size) for at in positions]
        for offset, (images, labels) in enumerate(self._read(shares)):
            yield Batch(self._prepare(images, iteration + offset), labels)

    def _read(self, shares: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        if self._images is not None:
            for indices in shares:
                yield self._images[indices], self._labels[indices]
            return
        loader = DataLoader(
            _ReadBatches(self.image_set),
            sampler=shares,
            batch_size=None,  # an item of the sampler is a whole batch
            num_workers=self.num_workers,
            pin_memory=self._labels.is_cuda,
            generator=torch.Generator(),  # for the workers' base seed, which would come from the default stream
        )
        for item in loader:
            if isinstance(item, UserError):
                raise item
            images, labels = item
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def _prepare(self, images: Tensor, iteration: int) -> Tensor:
        images = images.float() / 255
        if self.augmentations:
            seed = stream_seed("augment", self.seed, iteration, self.rank)
            generator = torch.Generator(self.device).manual_seed(seed)
            for augmentation in self.augmentations.values():
                images = apply(augmentation, images, (0, 1), generator)
        low, high = self.value_range
        return images * (high - low) + low


class _ReadBatches(Dataset[tuple[Tensor, Tensor] | UserError]):
    """Reads a batch for the loader. The user's error is handed over as it is: a worker would wrap it in a traceback."""

    def __init__(self, image_set: ImageSet) -> None:
        self.image_set = image_set

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor] | UserError:
        try:
            return self.image_set.read(indices), self.image_set.labels[indices]
        except UserError as error:
            return error


def read_all(image_set: ImageSet) -> Tensor:
    """Return all images, uint8, N×C×H×W; those of a set in memory without a copy."""
    if isinstance(image_set, TensorImageSet):
        return image_set.images
    images = image_set.read(torch.tensor([0])).repeat(len(image_set), 1, 1, 1)
    for part, pixels in zip(torch.split(images, CHUNK_SIZE), pixel_blocks(image_set), strict=True):
        part.copy_(pixels)
    return images


def pixel_blocks(image_set: ImageSet) -> Iterator[Tensor]:
    """Return all images in their order, uint8, n×C×H×W a block."""
    for indices in torch.split(torch.arange(len(image_set)), CHUNK_SIZE):
        yield image_set.read(indices)


def fits_in_memory(image_set: ImageSet, limit_gib: float) -> bool:
    """Return whether all images as uint8 take at most `limit_gib` GiB."""
    return image_set.read(torch.tensor([0])).nbytes * len(image_set) <= limit_gib * 2**30


def fingerprint(image_set: ImageSet) -> str:
    """Hash labels and images in their order to 16 hexadecimal digits; all images are read, once for each object."""
    if image_set not in _fingerprints:
        digest = hashlib.sha256(image_set.labels.numpy().astype("<i8").tobytes())
        digest.update(repr(tuple(image_set.read(torch.tensor([0])).shape[1:])).encode())
        for pixels in pixel_blocks(image_set):
            digest.update(pixels.contiguous().numpy().data)
        _fingerprints[image_set] = digest.hexdigest()[:16]
    return _fingerprints[image_set]


_fingerprints: WeakKeyDictionary[ImageSet, str] = WeakKeyDictionary()


def epoch_order(seed: int, epoch: int, num_images: int) -> Tensor:
    """Return a permutation of 0..num_images-1 (int64, on the CPU, so that it is the same for every device)."""
    generator = torch.Generator().manual_seed(stream_seed("order", seed, epoch))
    return torch.randperm(num_images, generator=generator)


def batch_indices(order: Tensor, position: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Tensor:
    """Return process `rank`'s equal share of the global batch at `position` in an epoch's order.

    `batch_size` counts the images of all processes; positions are 0..len(order) // batch_size - 1.
    """
    assert batch_size % world_size == 0, "every process takes as many images"
    assert 0 <= position < len(order) // batch_size, "the last partial batch is dropped"
    share = batch_size // world_size
    start = position * batch_size + rank * share
    return order[start : start + share]
