from collections.abc import Sequence
from itertools import islice

import pytest
import torch
from torch import Tensor

from gan_experiments.augment.operations import Augmentation, ColorJitter, HorizontalFlip, RandomCrop
from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.loader import Pipeline, fingerprint, fits_in_memory, read_all
from gan_experiments.types import Batch, UserError

AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": HorizontalFlip(),
    "crop": RandomCrop(2),
    "jitter": ColorJitter(0.2, 0.2, 0.2, 0.05),
}


def image_set(num_images: int = 22) -> TensorImageSet:
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(256, (num_images, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return TensorImageSet(images, torch.arange(num_images) % 3)


class LazyImageSet:
    """The same images, read one by one; image 7 is broken if asked for."""

    def __init__(self, broken: bool = False, num_images: int = 22) -> None:
        self.content = image_set(num_images)
        self.labels = self.content.labels
        self.broken = broken

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Tensor) -> Tensor:
        if self.broken and 7 in indices.tolist():
            raise UserError("folder/7.png: not a readable image")
        return torch.stack([self.content.images[index] for index in indices.tolist()])


def take(pipeline: Pipeline, iteration: int, count: int) -> list[Batch]:
    """Batches across the ends of epochs."""
    batches: list[Batch] = []
    while len(batches) < count:
        batches += islice(pipeline.from_iteration(iteration + len(batches)), count - len(batches))
    return batches


def same(ours: Sequence[Batch], theirs: Sequence[Batch]) -> bool:
    pairs = zip(ours, theirs, strict=True)
    return all(a.images.equal(b.images) and a.labels.equal(b.labels) for a, b in pairs)


# Python 3.12 and later warn of any fork in a process with threads; the loader's workers use neither locks nor threads.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_memory_and_loader_give_the_same_bits(num_workers: int) -> None:
    memory = Pipeline(image_set(), batch_size=4, seed=3, augmentations=AUGMENTATIONS)
    loader = Pipeline(
        LazyImageSet(), batch_size=4, seed=3, augmentations=AUGMENTATIONS, in_memory=False, num_workers=num_workers
    )
    stream = torch.get_rng_state()
    expected = take(memory, 0, 8)
    assert same(expected[3:], take(loader, 3, 5)), "a start in mid-epoch, over the end of the epoch"
    assert torch.get_rng_state().equal(stream), "the default stream was used"


def test_a_start_in_mid_epoch_needs_no_replay() -> None:
    def pipeline() -> Pipeline:
        return Pipeline(image_set(), batch_size=4, seed=3, augmentations=AUGMENTATIONS)

    expected = take(pipeline(), 0, 11)
    for start in (1, 4, 5, 7, 10):
        assert same(expected[start:], take(pipeline(), start, 11 - start))


def test_batches_are_in_range_typed_and_follow_the_seed() -> None:
    pipeline = Pipeline(image_set(), batch_size=4, seed=0, value_range=(-1, 1))
    batches = list(pipeline.from_iteration(0))
    assert len(batches) == pipeline.batches_per_epoch == 5
    for images, labels in batches:
        assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
        assert images.shape == (4, 3, 8, 8)
        assert labels.shape == (4,)
        assert -1 <= images.min() < -0.9
        assert 0.9 < images.max() <= 1
    assert not same(batches, list(Pipeline(image_set(), batch_size=4, seed=1).from_iteration(0)))
    assert not same(batches, list(pipeline.from_iteration(5)))


def test_black_and_white_hit_the_ends_of_the_range_exactly() -> None:
    ends = TensorImageSet(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2), torch.zeros(1, dtype=torch.int64))
    for value_range in ((-1.0, 1.0), (0.0, 1.0)):
        (batch,) = Pipeline(ends, batch_size=1, seed=0, value_range=value_range).from_iteration(0)
        assert batch.images.flatten().tolist() == list(value_range)


def test_images_stay_with_their_labels() -> None:
    content = image_set()
    pairs = zip(content.images, content.labels, strict=True)
    lookup = {tuple(image.flatten().tolist()): int(label) for image, label in pairs}
    for images, labels in Pipeline(content, batch_size=4, seed=0, value_range=(0, 1)).from_iteration(0):
        for image, label in zip((images * 255).round().to(torch.uint8), labels, strict=True):
            assert lookup[tuple(image.flatten().tolist())] == label


@pytest.mark.parametrize("in_memory", [True, False])
def test_processes_share_every_global_batch(in_memory: bool) -> None:
    whole = take(Pipeline(image_set(), batch_size=6, seed=1), 0, 5)
    shares = [
        take(Pipeline(image_set(), batch_size=6, seed=1, rank=rank, world_size=2, in_memory=in_memory), 0, 5)
        for rank in range(2)
    ]
    joined = [
        Batch(torch.cat([ours.images, theirs.images]), torch.cat([ours.labels, theirs.labels]))
        for ours, theirs in zip(*shares, strict=True)
    ]
    assert same(whole, joined)
    augmented = [
        take(Pipeline(image_set(), batch_size=6, seed=1, rank=rank, world_size=2, augmentations=AUGMENTATIONS), 0, 1)
        for rank in range(2)
    ]
    again = Pipeline(image_set(), batch_size=6, seed=1, rank=1, world_size=2, augmentations=AUGMENTATIONS)
    assert same(augmented[1], take(again, 0, 1))


def test_every_iteration_and_process_has_its_own_augmentation_stream() -> None:
    one_image = TensorImageSet(image_set(1).images.repeat(8, 1, 1, 1), torch.zeros(8, dtype=torch.int64))
    pipelines = [
        Pipeline(one_image, batch_size=4, seed=1, augmentations=AUGMENTATIONS, rank=rank, world_size=2)
        for rank in range(2)
    ]
    batches = [batch for pipeline in pipelines for batch in take(pipeline, 0, 10)]
    assert len({tuple(batch.images.flatten().tolist()) for batch in batches}) == 20


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_unreadable_image_is_named_without_a_workers_traceback(num_workers: int) -> None:
    pipeline = Pipeline(LazyImageSet(broken=True), batch_size=22, seed=0, in_memory=False, num_workers=num_workers)
    with pytest.raises(UserError) as error:
        list(pipeline.from_iteration(0))
    assert str(error.value) == "folder/7.png: not a readable image"


def test_a_batch_that_processes_cannot_share_says_what_to_write() -> None:
    with pytest.raises(UserError, match=r"batch_size=5 does not divide among 2 processes.*multiple of 2"):
        Pipeline(image_set(), batch_size=5, seed=0, world_size=2)


def test_fingerprint_is_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fingerprint(image_set())
    assert len(expected) == 16
    assert int(expected, 16) >= 0
    monkeypatch.setattr("gan_experiments.datasets.loader.CHUNK_SIZE", 5)
    assert fingerprint(LazyImageSet()) == expected, "neither the kind of set nor the chunks matter"
    assert read_all(LazyImageSet()).equal(image_set().images)
    other_label, other_pixel = image_set(), image_set()
    other_label.labels = other_label.labels.roll(1)
    other_pixel.images[3, 0, 0, 0] ^= 1
    assert len({expected, fingerprint(other_label), fingerprint(other_pixel), fingerprint(image_set(21))}) == 4


def test_size_in_memory_is_counted_without_reading_all() -> None:
    num_bytes = 22 * 3 * 8 * 8
    assert fits_in_memory(LazyImageSet(), num_bytes / 2**30)
    assert not fits_in_memory(LazyImageSet(), (num_bytes - 1) / 2**30)
