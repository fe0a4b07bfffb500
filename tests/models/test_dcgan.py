"""DCGAN at every size, its options, and the facts that each model's yaml declares."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from gan_experiments.models.dcgan import IMAGE_SIZES, Discriminator, Generator
from gan_experiments.models.latents import build_latents
from gan_experiments.types import UserError

CONF = Path(__file__).parents[2] / "conf"
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
RANGES = {"tanh": [-1.0, 1.0], "sigmoid": [0.0, 1.0]}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def labels_of(num: int, device: str = "cpu") -> torch.Tensor:
    return torch.arange(num, device=device) % 10


def sides_through(layers: nn.Module, inputs: torch.Tensor) -> list[int]:
    sides = [inputs.shape[-1]]
    for layer in layers.children():
        inputs = layer(inputs)
        sides.append(inputs.shape[-1])
    return sides


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_every_size_on_the_meta_device(image_size: int) -> None:
    discriminator: Any
    with torch.device("meta"):
        generator, discriminator = Generator(100, image_size, 3), Discriminator(image_size, 3, num_classes=10)
        images = generator(torch.randn(2, 100), labels_of(2, "meta"))
        output = discriminator(images, labels_of(2, "meta"))
    assert images.shape == (2, 3, image_size, image_size)
    assert output.scores.shape == (2,)
    assert output.class_logits.shape == (2, 10)
    assert output.features.shape == (2, 16 * discriminator.layers[-1][0].out_channels)


@pytest.mark.parametrize("image_size", [8, 16, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_sizes_for_real(image_size: int, channels: int) -> None:
    generator: Any = Generator(5, image_size, channels, base_width=2)
    discriminator: Any = Discriminator(image_size, channels, base_width=2)
    images = generator(torch.randn(2, 5), labels_of(2))
    output = discriminator(images, labels_of(2))
    assert images.shape == (2, channels, image_size, image_size)
    assert output.scores.shape == (2,)
    assert output.class_logits is None
    output.scores.sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())


@pytest.mark.parametrize(("image_size", "sides"), [(28, [1, 4, 7, 14, 28]), (32, [1, 4, 8, 16, 32]), (8, [1, 4, 8])])
def test_sizes_on_the_way(image_size: int, sides: list[int]) -> None:
    with torch.device("meta"):
        generator, discriminator = Generator(5, image_size, 1), Discriminator(image_size, 1)
        assert sides_through(generator.layers, torch.randn(2, 5, 1, 1)) == sides
        assert sides_through(discriminator.layers, torch.randn(2, 1, image_size, image_size)) == sides[:0:-1]


@pytest.mark.parametrize(
    ("image_size", "widths"),
    [
        (8, [64]),
        (28, [256, 128, 64]),
        (32, [256, 128, 64]),
        (64, [512, 256, 128, 64]),
        (256, [512, 512, 512, 256, 128, 64]),
    ],
)
def test_default_widths(image_size: int, widths: list[int]) -> None:
    with torch.device("meta"):
        generator, discriminator = Generator(100, image_size, 3), Discriminator(image_size, 3)
        assert generator.state_dict().keys() == Generator(100, image_size, 3, widths=widths).state_dict().keys()
        assert count(generator) == count(Generator(100, image_size, 3, widths=widths))
        assert count(discriminator) == count(Discriminator(image_size, 3, widths=widths))


def test_wide_base_is_kept() -> None:
    with torch.device("meta"):
        assert count(Generator(100, 16, 3, base_width=1024)) == count(Generator(100, 16, 3, widths=[1024, 1024]))


def test_parameter_counts_by_hand() -> None:
    with torch.device("meta"):
        generator, discriminator = Generator(100, 64, 3), Discriminator(64, 3)
    weights = 16 * (512 * 256 + 256 * 128 + 128 * 64)  # 4×4 kernels between the widths, the same in both networks
    norms = 2 * (256 + 128)
    assert count(generator) == 16 * 100 * 512 + weights + 16 * 64 * 3 + 3 + norms + 2 * (512 + 64)
    assert count(discriminator) == 16 * 3 * 64 + 64 + weights + norms + 2 * 512 + 16 * 512 + 1


def test_parameter_counts_by_hand_at_28() -> None:
    with torch.device("meta"):
        generator, discriminator = Generator(100, 28, 1), Discriminator(28, 1, num_classes=10)
    weights = 9 * 256 * 128 + 16 * 128 * 64  # the layer between 4×4 and 7×7 has a 3×3 kernel
    assert count(generator) == 16 * 100 * 256 + weights + 16 * 64 + 1 + 2 * (256 + 128 + 64)
    assert count(discriminator) == 16 * 64 + 64 + weights + 2 * (128 + 256) + 4096 + 1 + 4096 * 10 + 10


@pytest.mark.parametrize(
    ("output", "low", "high"), [("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0), ("linear", -torch.inf, torch.inf)]
)
def test_output_range(output: Any, low: float, high: float) -> None:
    torch.manual_seed(0)
    generator: Any = Generator(5, 8, 1, output=output, widths=[8])
    with torch.no_grad():
        generator.layers[-1][0].weight.mul_(100)
    images = generator(torch.randn(16, 5), labels_of(16))
    assert images.min() >= low
    assert images.max() <= high
    widest = (high - low) if output != "linear" else 2.0
    assert images.max() - images.min() > 0.9 * widest


@pytest.mark.parametrize(
    ("norm", "kinds"),
    [("batch", nn.BatchNorm2d), ("layer", nn.GroupNorm), ("none", None), ("spectral", None)],
)
def test_norms_stand_after_each_convolution_but_the_first(norm: Any, kinds: type[nn.Module] | None) -> None:
    discriminator: Any = Discriminator(32, 1, widths=[4, 3, 2], norm=norm)
    found = [
        [type(layer) for layer in block if isinstance(layer, nn.BatchNorm2d | nn.GroupNorm)]
        for block in discriminator.layers
    ]
    assert found == ([[], [kinds], [kinds]] if kinds else [[], [], []])
    with_bias = [block[0].bias is not None for block in discriminator.layers]
    assert with_bias == ([True, False, False] if kinds else [True, True, True])


@pytest.mark.parametrize("norm", ["layer", "none", "spectral"])
def test_without_batch_norm_samples_do_not_mix(norm: Any) -> None:
    torch.manual_seed(0)
    discriminator: Any = Discriminator(16, 1, widths=[6, 4], norm=norm)
    images = torch.randn(3, 1, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator(images, labels_of(3)).scores[0], images)
    assert slope[0].abs().max() > 0
    assert slope[1:].abs().max() == 0


def test_layer_norm_is_over_channels_and_pixels() -> None:
    discriminator: Any = Discriminator(16, 1, widths=[6, 4], norm="layer")
    normalised = discriminator.layers[1][:2](discriminator.layers[0](torch.randn(3, 1, 16, 16)))
    torch.testing.assert_close(normalised.mean(dim=(1, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.var(dim=(1, 2, 3), correction=0), torch.ones(3), rtol=1e-2, atol=0)


def test_spectral_covers_convolutions_and_heads() -> None:
    discriminator: Any = Discriminator(16, 1, widths=[6, 4], num_classes=3, norm="spectral")
    weights = [name for name, _ in discriminator.named_parameters() if "weight" in name]
    assert len(weights) == 4
    assert all(name.endswith("parametrizations.weight.original") for name in weights)


def test_dropout_acts_in_training_only() -> None:
    discriminator: Any = Discriminator(16, 1, widths=[6, 4], norm="none", dropout=0.5)
    images = torch.randn(2, 1, 16, 16)
    assert not torch.equal(discriminator(images, labels_of(2)).scores, discriminator(images, labels_of(2)).scores)
    discriminator.eval()
    assert torch.equal(discriminator(images, labels_of(2)).scores, discriminator(images, labels_of(2)).scores)


def test_heads_are_linear_in_the_features() -> None:
    discriminator: Any = Discriminator(8, 1, num_classes=3).eval()
    output = discriminator(torch.randn(2, 1, 8, 8), labels_of(2))
    torch.testing.assert_close(output.scores, discriminator.score_head(output.features)[:, 0])
    torch.testing.assert_close(output.class_logits, discriminator.class_head(output.features))


@pytest.mark.parametrize("image_size", [4, 24, 30, 48, 1024])
def test_other_sizes_are_refused_with_those_there_are(image_size: int) -> None:
    message = rf"is {image_size}: write one of 8, 16, 28, 32, 64, 128, 256, 512 as dataset\.image_size"
    with pytest.raises(UserError, match=r"model\.generator\.image_size " + message):
        Generator(100, image_size, 1)
    with pytest.raises(UserError, match=r"model\.discriminator\.image_size " + message):
        Discriminator(image_size, 1)


@pytest.mark.parametrize("widths", [[], [64], [8, 8, 8, 8]])
def test_widths_must_fit_the_size(widths: list[int]) -> None:
    with pytest.raises(UserError, match=r"model\.generator\.widths .*need 3 widths.*Write \[256, 128, 64\]"):
        Generator(100, 32, 1, widths=widths)
    with pytest.raises(UserError, match=r"model\.discriminator\.widths .*need 3 widths"):
        Discriminator(32, 1, widths=widths)


@pytest.fixture(scope="module", autouse=True)
def config_directory() -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def compose_model(name: str, image_size: int) -> DictConfig:
    dataset = [f"+dataset.image_size={image_size}", "+dataset.channels=1", "+dataset.num_classes=10"]
    model: DictConfig = compose(overrides=[f"+model={name}", *dataset]).model
    return model


def build(name: str, device: str) -> tuple[DictConfig, nn.Module, nn.Module, int]:
    """Build a model at the first size that it offers."""
    for image_size in (28, 32, 64, 512):
        model = compose_model(name, image_size)
        try:
            with torch.device(device):
                networks = [instantiate(model[key], _convert_="all") for key in ("generator", "discriminator")]
        except InstantiationException as error:
            if not isinstance(error.__cause__, UserError):
                raise
        else:
            return model, *networks, image_size
    raise AssertionError(f"{name} offers none of the sizes tried")


@pytest.mark.parametrize("name", MODELS)
def test_declared_facts_hold(name: str) -> None:
    model, generator, discriminator, image_size = build(name, "meta")
    assert model.name == name
    assert model.output in {*RANGES, "linear"}
    assert model.value_range == RANGES.get(model.output, model.value_range)
    low, high = model.value_range
    assert low < high
    assert count(generator)
    assert count(discriminator)
    latents, labels = torch.randn(2, model.latent_dim, device="meta"), labels_of(2, "meta")
    images = generator(latents, labels)
    assert images.shape == (2, 1, image_size, image_size)
    output = discriminator(images, labels)
    assert output.scores.shape == (2,)
    assert (output.class_logits is not None) == model.class_head
    if model.class_head:
        assert output.class_logits.shape == (2, 10)
    instantiate(model.initialization, _convert_="all")(generator)
    instantiate(model.initialization, _convert_="all")(discriminator)


@pytest.mark.parametrize("name", MODELS)
def test_declared_condition_and_range_hold(name: str) -> None:
    model, generator, discriminator, _ = build(name, "meta")
    if count(generator) + count(discriminator) > 20e6:
        pytest.skip("too large for the fast tests")
    torch.manual_seed(0)
    model, generator, discriminator, _ = build(name, "cpu")
    generator.eval()
    latents = 3 * build_latents(model).sample(2)
    with torch.no_grad():
        first, second = generator(latents, torch.tensor([0, 1])), generator(latents, torch.tensor([0, 2]))
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1]) != model.conditional
        assert discriminator(first, torch.tensor([0, 1])).scores.isfinite().all()
    if model.output in RANGES:
        low, high = model.value_range
        assert first.min() >= low
        assert first.max() <= high


@pytest.mark.parametrize("name", MODELS)
def test_scores_of_a_sample_depend_on_others_only_where_the_yaml_says_so(name: str) -> None:
    model, _, discriminator, image_size = build(name, "meta")
    if count(discriminator) > 20e6:
        pytest.skip("too large for the fast tests")
    torch.manual_seed(0)
    model, _, discriminator, _ = build(name, "cpu")
    images = torch.randn(4, 1, image_size, image_size)
    with torch.no_grad():
        together, alone = (discriminator.eval()(part, labels_of(len(part))).scores for part in (images, images[:1]))
    assert torch.allclose(together[:1], alone, atol=1e-5) == (model.get("minibatch_group", 0) == 0)


@pytest.mark.parametrize("name", MODELS)
def test_first_line_says_where_the_numbers_come_from(name: str) -> None:
    assert (CONF / "model" / f"{name}.yaml").read_text().startswith("# ")
