"""How labels enter: sizes, values and, in whole networks, that labels matter exactly where they should."""

import pytest
import torch
from torch import Tensor

from gan_experiments.models import dcgan
from gan_experiments.models.conditioning import (
    ConcatenateEmbedding,
    ConcatenateEmbeddingMap,
    ConcatenateOneHot,
    ConcatenateOneHotMaps,
    ImageCondition,
    LatentCondition,
    OneHotLatent,
    Projection,
)
from gan_experiments.types import UserError

LATENT_CONDITIONS: list[LatentCondition] = [
    LatentCondition(),
    OneHotLatent(3),
    ConcatenateOneHot(3),
    ConcatenateEmbedding(3, 4),
]
IMAGE_CONDITIONS: list[ImageCondition] = [
    ImageCondition(),
    ConcatenateOneHotMaps(3),
    ConcatenateEmbeddingMap(3),
    Projection(3),
]
WITH_CLASSES = [OneHotLatent, ConcatenateOneHot, ConcatenateEmbedding]
WITH_CLASSES_OF_IMAGES = [ConcatenateOneHotMaps, ConcatenateEmbeddingMap, Projection]


def name_of(value: object) -> str:
    return getattr(value, "__name__", type(value).__name__)


@pytest.fixture
def latents() -> Tensor:
    return torch.randn(2, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


LABELS = torch.tensor([2, 0])


def test_one_hot_latent_overwrites_the_first_entries(latents: Tensor) -> None:
    condition = OneHotLatent(3)
    assert condition.attach(5) == 5
    inputs = condition(latents, LABELS)
    assert inputs[:, :3].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert torch.equal(inputs[:, 3:], latents[:, 3:])


def test_concatenated_one_hot_follows_the_latent(latents: Tensor) -> None:
    condition = ConcatenateOneHot(3)
    assert condition.attach(5) == 8
    inputs = condition(latents, LABELS)
    assert torch.equal(inputs[:, :5], latents)
    assert inputs[:, 5:].tolist() == [[0, 0, 1], [1, 0, 0]]


def test_concatenated_embedding_follows_the_latent(latents: Tensor) -> None:
    condition = ConcatenateEmbedding(3, 4)
    assert condition.attach(5) == 9
    assert torch.equal(condition(latents, LABELS), torch.cat([latents, condition.embedding.weight[LABELS]], dim=1))


def test_one_hot_maps_are_further_channels(images: Tensor) -> None:
    condition = ConcatenateOneHotMaps(3)
    assert condition.attach(1, 8, 16) == 4
    inputs = condition(images, LABELS)
    assert torch.equal(inputs[:, :1], images)
    assert inputs[:, 1:].amin(dim=(2, 3)).tolist() == inputs[:, 1:].amax(dim=(2, 3)).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_embedding_map_is_one_further_channel(images: Tensor) -> None:
    condition = ConcatenateEmbeddingMap(3)
    assert condition.attach(1, 8, 16) == 2
    inputs = condition(images.contiguous(memory_format=torch.channels_last), LABELS)
    assert torch.equal(inputs[:, :1], images)
    assert torch.equal(inputs[:, 1].flatten(1), condition.embedding.weight[LABELS])


def test_projection_adds_the_inner_product(images: Tensor, latents: Tensor) -> None:
    condition = Projection(3)
    assert condition.attach(1, 8, 5) == 1
    assert condition(images, LABELS) is images
    expected = torch.stack(
        [condition.embedding.weight[label] @ row for label, row in zip(LABELS, latents, strict=True)]
    )
    torch.testing.assert_close(condition.score(torch.ones(2), latents, LABELS), 1 + expected)


@pytest.mark.parametrize("condition", LATENT_CONDITIONS, ids=name_of)
def test_generator_heeds_labels_where_it_has_a_condition(condition: LatentCondition, latents: Tensor) -> None:
    generator = dcgan.Generator(5, 8, 1, widths=[4], condition=condition).eval()
    first, second = generator(latents, LABELS), generator(latents, torch.tensor([2, 1]))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1]) == (type(condition) is LatentCondition)


@pytest.mark.parametrize("condition", IMAGE_CONDITIONS, ids=name_of)
def test_discriminator_heeds_labels_where_it_has_a_condition(condition: ImageCondition, images: Tensor) -> None:
    discriminator = dcgan.Discriminator(8, 1, widths=[4], condition=condition).eval()
    first, second = discriminator(images, LABELS).scores, discriminator(images, torch.tensor([2, 1])).scores
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1]) == (type(condition) is ImageCondition)


@pytest.mark.parametrize("kind", WITH_CLASSES, ids=name_of)
def test_every_parameter_of_a_latent_condition_learns(kind: type[LatentCondition], latents: Tensor) -> None:
    generator = dcgan.Generator(5, 8, 1, widths=[4], condition=kind(3))
    generator(latents, LABELS).square().sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())


@pytest.mark.parametrize("kind", WITH_CLASSES_OF_IMAGES, ids=name_of)
def test_every_parameter_of_an_image_condition_learns(kind: type[ImageCondition], images: Tensor) -> None:
    discriminator = dcgan.Discriminator(8, 1, widths=[4], condition=kind(3))
    discriminator(images, LABELS).scores.sum().backward()
    assert all(parameter.grad is not None for parameter in discriminator.parameters())


def test_one_hot_latent_needs_room_for_chance() -> None:
    with pytest.raises(UserError, match=r"model\.latent_dim of at least 11"):
        dcgan.Generator(10, 8, 1, condition=OneHotLatent(10))
