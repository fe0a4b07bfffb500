"""The pairs of reports A to D against the numbers of their tables, as their yaml builds them."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from launching import planned
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_experiments.config.instantiate import instantiate
from gan_experiments.models import report_a, report_b, report_c, report_d
from gan_experiments.models.conditioning import OneHotLatent
from gan_experiments.models.layers import GlorotUniform
from gan_experiments.models.summary import count_parameters, layer_table
from gan_experiments.types import UserError

FOLDER = ["dataset=npz", "dataset.image_size=512", "dataset.channels=3", "dataset.num_classes=0"]
FOLDER += ["dataset.class_names=[]", "dataset.num_train=100", "dataset.num_test=10"]


@dataclass(frozen=True)
class Pair:
    """What a report's table says of a model, and data that the model is for."""

    model: str
    generator: int  # trainable parameters
    discriminator: int
    sides: tuple[int, ...]  # of the maps that the generator's convolutions make
    judged_sides: tuple[int, ...]  # and the discriminator's
    features: int
    data: tuple[str, ...] = ("dataset=fmnist",)


CIFAR = ("dataset=cifar10",)
PAIRS = [
    Pair("report_a_fmnist", 852_609, 6_500_097, (14, 28), (14, 7), 1024),
    Pair("report_a_cifar", 1_468_803, 519_425, (8, 16, 32), (16, 8, 4, 2), 1024, CIFAR),
    Pair("report_b", 3_559_363, 3_137_971, (8, 16, 32), (32, 16, 8, 4), 196, CIFAR),
    Pair("report_c_dense", 1_489_936, 1_463_809, (), (), 256),
    Pair("report_c_conv", 54_377, 53_313, (14, 28), (12, 4), 1024),
    Pair("report_d_512", 202_415_104, 2_790_144, (8, 32, 128, 256, 512), (256, 128, 32, 8, 1), 32_768, tuple(FOLDER)),
]
NON_TRAINABLE = {
    "report_a_fmnist": (12_672, 0),
    "report_a_cifar": (0, 0),
    "report_c_dense": (3_584, 3_584),
    "report_c_conv": (336, 192),
}
"""Keras counts the running statistics of batch norm; the reports that were written with it say how many there are."""
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.model)
every_small_pair = pytest.mark.parametrize("pair", PAIRS[:-1], ids=lambda pair: pair.model)


@cache
def model_of(pair: Pair) -> Any:
    return planned(
        Path("unused"), *pair.data, f"model={pair.model}", "loss=non_saturating", "batch_size=2"
    ).config.model


def on_meta(pair: Pair) -> tuple[nn.Module, nn.Module]:
    """Build both networks as the yaml says, without memory for their weights."""
    with torch.device("meta"):
        return instantiate(model_of(pair).generator, "generator"), instantiate(
            model_of(pair).discriminator, "discriminator"
        )


def built(pair: Pair) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    networks = (
        instantiate(model_of(pair).generator, "generator"),
        instantiate(model_of(pair).discriminator, "discriminator"),
    )
    initialization = instantiate(model_of(pair).initialization, "initialization")
    for network in networks:
        initialization(network)
    return networks


def sides(rows: list[Any]) -> tuple[int, ...]:
    """Return the sides of the maps that layers with weights make, in their order, each once."""
    return tuple(dict.fromkeys(row.output_shape[2] for row in rows if len(row.output_shape) == 3 and row.parameters))


@every_pair
def test_parameter_counts_are_the_reports(pair: Pair) -> None:
    generator, discriminator = on_meta(pair)

    assert count_parameters(generator) == pair.generator
    assert count_parameters(discriminator) == pair.discriminator


@pytest.mark.parametrize("model", NON_TRAINABLE)
def test_running_statistics_are_as_many_as_keras_says(model: str) -> None:
    def statistics(network: nn.Module) -> int:
        return sum(buffer.numel() for name, buffer in network.named_buffers() if name.split(".")[-1].startswith("runn"))

    generator, discriminator = on_meta(next(pair for pair in PAIRS if pair.model == model))

    assert (statistics(generator), statistics(discriminator)) == NON_TRAINABLE[model]


@every_pair
def test_shapes_on_the_way_and_of_the_output(pair: Pair) -> None:
    generator, discriminator = on_meta(pair)
    labels = torch.zeros(2, dtype=torch.int64, device="meta")
    size, channels = model_of(pair).generator.image_size, model_of(pair).generator.channels
    latents = torch.zeros(2, model_of(pair).latent_dim, device="meta")
    images, generator_rows = layer_table(generator.eval(), latents, labels)
    judged, discriminator_rows = layer_table(discriminator.eval(), images, labels)

    assert images.shape == (2, channels, size, size)
    assert judged.scores.shape == (2,)
    assert judged.features.shape == (2, pair.features)
    assert (judged.class_logits is not None) == (pair.model == "report_b") == model_of(pair).class_head
    assert (sides(generator_rows), sides(discriminator_rows)) == (pair.sides, pair.judged_sides)


@every_small_pair
def test_images_are_in_the_declared_range_and_scores_are_not_extreme_at_the_start(pair: Pair) -> None:
    generator, discriminator = built(pair)
    labels = torch.arange(8) % 10

    images = generator(torch.randn(8, model_of(pair).latent_dim), labels)
    scores = discriminator(images, labels).scores

    low, high = (-1, 1) if model_of(pair).output == "tanh" else (-50, 50)
    assert low <= images.min() < images.max() <= high
    assert images.std() > 0.001
    assert scores.abs().max() < 50


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.model.startswith("report_c")], ids=lambda pair: pair.model)
def test_report_cs_images_have_no_bound_unless_one_is_asked_for(pair: Pair) -> None:
    network = report_c.DenseGenerator if pair.model == "report_c_dense" else report_c.ConvGenerator
    latents, labels = 30 * torch.randn(4, model_of(pair).latent_dim), torch.zeros(4, dtype=torch.int64)

    free, bounded = network(output="linear").eval(), network(output="sigmoid").eval()
    bounded.load_state_dict(free.state_dict())

    assert free(latents, labels).abs().max() > 1
    torch.testing.assert_close(bounded(latents, labels), free(latents, labels).sigmoid())


def test_the_512_generator_ends_in_tanh() -> None:
    generator, _ = on_meta(PAIRS[-1])

    assert isinstance(list(generator.modules())[-1], nn.Tanh)


@pytest.mark.parametrize("model", ["report_a_fmnist", "report_c_dense", "report_c_conv"])
def test_batch_norm_has_kerass_defaults_and_follows_the_activation(model: str) -> None:
    for network in on_meta(next(pair for pair in PAIRS if pair.model == model)):
        modules = [module for module in network.modules() if not list(module.children())]
        for before, norm in pairwise(modules):
            if isinstance(norm, _BatchNorm):
                assert (norm.momentum, norm.eps) == (0.01, 1e-3)
                assert isinstance(before, nn.LeakyReLU)


def test_slopes_of_the_leaky_relus() -> None:
    expected = {"report_a_fmnist": 0.2, "report_a_cifar": 0.2, "report_c_dense": 0.3, "report_c_conv": 0.3}
    for pair in PAIRS:
        for network in on_meta(pair) if pair.model in expected else ():
            found = {module.negative_slope for module in network.modules() if isinstance(module, nn.LeakyReLU)}
            assert found == {expected[pair.model]}


def test_glorots_bound_and_zero_biases() -> None:
    torch.manual_seed(0)
    linear, convolution, norm = nn.Linear(300, 100), nn.ConvTranspose2d(20, 40, 5), nn.BatchNorm2d(40)
    GlorotUniform()(nn.Sequential(linear, convolution, norm))

    layers: list[tuple[nn.Linear | nn.ConvTranspose2d, int]] = [(linear, 300 + 100), (convolution, (20 + 40) * 25)]
    for layer, fans in layers:
        bound = (6 / fans) ** 0.5
        assert 0.99 * bound < layer.weight.max() <= bound
        assert -bound <= layer.weight.min() < -0.99 * bound
        assert layer.bias is not None
        assert not layer.bias.any()
    assert torch.equal(norm.weight, torch.ones(40))


def test_report_bs_generator_obeys_its_label_and_ignores_the_first_ten_latents() -> None:
    torch.manual_seed(0)
    generator = report_b.Generator(condition=OneHotLatent(10)).eval()
    latents, label = torch.randn(2, 100), torch.tensor([3, 3])
    others = torch.cat([torch.randn(2, 10), latents[:, 10:]], dim=1)

    assert torch.equal(generator(latents, label), generator(others, label))
    assert not torch.equal(generator(latents, label), generator(latents, torch.tensor([4, 4])))


def test_report_bs_discriminator_judges_each_sample_by_itself() -> None:
    torch.manual_seed(0)
    discriminator = report_b.Discriminator()  # in training mode
    images, labels = torch.rand(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)

    with torch.no_grad():
        together, alone = discriminator(images, labels), discriminator(images[:1], labels[:1])

    torch.testing.assert_close(together.scores[:1], alone.scores, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.class_logits[:1], alone.class_logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "letter"),
    [
        *((network, "A") for network in (report_a.Generator28, report_a.Discriminator28)),
        *((network, "A") for network in (report_a.Generator32, report_a.Discriminator32)),
        *((network, "B") for network in (report_b.Generator, report_b.Discriminator)),
        *((network, "C") for network in (report_c.DenseGenerator, report_c.DenseDiscriminator)),
        *((network, "C") for network in (report_c.ConvGenerator, report_c.ConvDiscriminator)),
        *((network, "D") for network in (report_d.Generator, report_d.Discriminator)),
    ],
    ids=lambda value: getattr(value, "__qualname__", value),
)
def test_other_sizes_are_refused(network: Any, letter: str) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=rf"image_size is 64: report {letter}'s .* model=\w+"):
        network(image_size=64)


def test_a_latent_that_is_no_7_by_7_maps_is_refused() -> None:
    with pytest.raises(UserError, match=r"model\.latent_dim is 100.*128×7×7.*model\.latent_dim=6272"):
        report_c.ConvGenerator(latent_dim=100)
