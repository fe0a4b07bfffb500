"""Which images a sampler draws: not by batches, flags or streams, but by seed, class and number."""

import doctest
import math
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gan_experiments.models.latents import Normal
from gan_experiments.sampling.images import join
from gan_experiments.sampling.sampler import BLOCK_SIZE, Sampler, evaluating, generate, labels_like
from gan_experiments.types import UserError

LATENT_DIM = 6


class TinyGenerator(nn.Module):
    """Two classes of 8×8 images, with batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Linear(LATENT_DIM + 1, 64), nn.BatchNorm1d(64), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.layers(torch.cat([latents, labels[:, None].float()], 1))
        return images.view(-1, 1, 8, 8)


@pytest.fixture
def sampler() -> Sampler:
    return Sampler(TinyGenerator(), Normal(LATENT_DIM), class_names=["even", "7", "odd"], trained_labels=[0, 2])


def test_an_image_follows_from_seed_class_and_number_alone(sampler: Sampler) -> None:
    mixed = sampler.sample(7, [2, 0, 0], seed=4)
    assert mixed.labels.tolist() == [2, 0, 0, 2, 0, 0, 2]
    for label in (0, 2):
        alone = sampler.sample(BLOCK_SIZE + 3, label, seed=4)
        count = int((mixed.labels == label).sum())
        assert torch.equal(mixed.latents[mixed.labels == label], alone.latents[:count])
        blocks = join(list(sampler.class_blocks([label], count, seed=4)))
        assert torch.equal(mixed.pixels[mixed.labels == label], blocks.pixels)
    assert not torch.equal(alone.latents[:3], alone.latents[-3:])
    assert not torch.equal(mixed.latents, sampler.sample(7, [2, 0, 0], seed=5).latents)


def test_all_classes_that_were_trained_on_are_drawn_in_turn(sampler: Sampler) -> None:
    assert sampler.sample(5).labels.tolist() == [0, 2, 0, 2, 0]
    assert Sampler(TinyGenerator(), Normal(LATENT_DIM)).sample(3).labels.tolist() == [0, 0, 0]


def test_classes_have_names_and_numbers(sampler: Sampler) -> None:
    assert sampler.sample(3, ["odd", "0"]).labels.tolist() == [2, 0, 2]
    for name, message in {"od": "did you mean 'odd'", "7": "leaves this class out", "3": "or 0 to 2"}.items():
        with pytest.raises(UserError, match=message):
            sampler.sample(3, name)
    with pytest.raises(UserError, match="takes no label"):
        Sampler(TinyGenerator(), Normal(LATENT_DIM)).sample(3, "odd")


def test_blocks_are_drawn_by_number_whatever_the_labels(sampler: Sampler) -> None:
    labels = torch.arange(BLOCK_SIZE + 2) % 3
    blocks = list(sampler.blocks(labels, seed=1))
    assert [len(block) for block in blocks] == [BLOCK_SIZE, 2]
    assert torch.equal(join(blocks).labels, labels)
    others = join(list(sampler.blocks(labels.flip(0)[:20], seed=1)))
    assert torch.equal(others.latents, blocks[0].latents[:20])


def test_a_row_of_images_begins_and_ends_at_its_latents(sampler: Sampler) -> None:
    ends = sampler.sample(2, 2)
    row = sampler.interpolate(ends.latents[0], ends.latents[1], steps=5, label=2)
    assert row.labels.tolist() == [2] * 5
    assert torch.allclose(row.latents[[0, -1]], ends.latents, atol=1e-5)
    assert torch.allclose(row.pixels[[0, -1]].float(), ends.pixels.float(), atol=1)


def test_values_that_are_not_finite_name_the_checkpoint(tmp_path: Path) -> None:
    network = TinyGenerator()
    network.load_state_dict({name: value * math.nan for name, value in network.state_dict().items()})
    with pytest.raises(UserError, match=r"last\.pt: the generator returns values that are not finite"):
        Sampler(network, Normal(LATENT_DIM), checkpoint=tmp_path / "last.pt").sample(1)


def test_the_example_of_the_docstring_runs() -> None:
    assert doctest.testmod(sys.modules[Sampler.__module__]) == (0, 4)


def test_an_image_has_a_shape(sampler: Sampler) -> None:
    assert sampler.image_shape == (1, 8, 8)


def test_flags_come_back_after_an_error() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    network[1].eval()
    inside: list[bool] = []

    def fail() -> None:
        with evaluating(network):
            inside.extend([network[0].training, torch.is_grad_enabled()])
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert inside == [False, False]
    assert [module.training for module in network.modules()] == [True, True, False]
    assert torch.is_grad_enabled()


def test_samples_are_made_by_running_statistics_and_without_autocast() -> None:
    generator = TinyGenerator().train()
    latents, labels = Normal(LATENT_DIM).sample(20), torch.zeros(20, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = generate(generator, latents, labels, batch_size=3)
    assert made.dtype == torch.float32
    with torch.no_grad():
        assert torch.allclose(made, generator.eval()(latents, labels), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(lambda counts: sum(counts) > 0),
    num_samples=st.integers(1, 400),
)
def test_labels_are_of_classes_that_the_reference_has(counts: list[int], num_samples: int) -> None:
    labels = labels_like(counts, num_samples, seed=0)
    assert labels.dtype == torch.int64
    assert len(labels) == num_samples
    assert set(labels.tolist()) <= {label for label, count in enumerate(counts) if count}


def test_labels_are_drawn_independently_with_the_probabilities_of_the_reference() -> None:
    drawn = torch.stack([torch.bincount(labels_like([50, 150], 40, seed), minlength=2) for seed in range(300)]).double()
    assert drawn[:, 0].mean() == pytest.approx(10, abs=4 * math.sqrt(40 * 0.25 * 0.75 / 300))
    assert drawn[:, 0].var() == pytest.approx(40 * 0.25 * 0.75, rel=0.35)  # binomial: 4 standard errors


def test_labels_follow_from_the_seed() -> None:
    first, again, other = (labels_like([50] * 4, 40, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_labels_where_there_are_no_classes_are_zeros() -> None:
    assert labels_like([], 5, 0).tolist() == [0] * 5


class Blank(nn.Module):
    """Gives black images of a size, and keeps how many it was asked for at once."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked: list[int] = []

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        self.asked.append(len(latents))
        return self.weight.expand(len(latents), 1, self.size, self.size)


@pytest.mark.parametrize(
    ("size", "expected"), [(64, [1, 60, 9]), (128, [1, 25, 25, 19]), (256, [1, 6]), (512, [1, 1, 1])]
)
def test_large_images_are_made_few_at_once(size: int, expected: list[int]) -> None:
    generator = Blank(size)
    count = sum(expected)
    images = generate(generator, torch.zeros(count, 3), torch.zeros(count, dtype=torch.int64), batch_size=60)
    assert generator.asked == expected
    assert images.shape == (count, 1, size, size)
