"""The generator with styles: mapping and synthesis, mixing, truncation, and its layers by hand."""

import csv
import math
from pathlib import Path

import pytest
import torch
from launching import TINY, launch
from torch.nn import functional as F

from gan_experiments.models.conditioning import ConcatenateOneHot
from gan_experiments.models.dcgan import IMAGE_SIZES, Discriminator
from gan_experiments.models.latents import Normal
from gan_experiments.models.layers import MinibatchDeviation
from gan_experiments.models.style_dcgan import EqualizedLinear, Generator, ModulatedConv2d
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import UserError

LABELS = torch.zeros(4, dtype=torch.int64)


def small(**arguments: object) -> Generator:
    torch.manual_seed(0)
    return Generator(6, 16, 1, base_width=4, style_dim=5, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_every_size_on_the_meta_device(image_size: int) -> None:
    with torch.device("meta"):
        generator = Generator(10, image_size, 3, base_width=4)
        assert generator(torch.zeros(2, 10), torch.zeros(2)).shape == (2, 3, image_size, image_size)
    with pytest.raises(UserError, match=r"image_size is 24: write one of 8, 16"):
        Generator(10, 24, 3)


def test_images_are_the_synthesis_of_the_mapping_and_in_evaluation_mode_always_the_same() -> None:
    generator = small().eval()
    for name, parameter in generator.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(1.0)
    latents = torch.randn(4, 6)
    styles = generator.mapping(latents, LABELS)
    images = generator(latents, LABELS)
    assert styles.shape == (4, generator.num_styles, 5)
    assert generator.num_styles == 6  # two at each of 4, 8 and 16 pixels
    assert torch.equal(images, generator.synthesis(styles))
    assert torch.equal(images, generator(latents, LABELS))
    torch.testing.assert_close(generator(latents[:1], LABELS[:1]), images[:1])
    generator.train()
    assert not torch.equal(generator.synthesis(styles), generator.synthesis(styles))  # noise


def test_mixed_styles_are_one_latents_up_to_a_layer_and_anothers_from_there() -> None:
    generator = small(mixing=1.0)
    latents = torch.randn(4, 6)
    own = generator.style(latents, LABELS)
    for _ in range(5):
        styles = generator.mapping(latents, LABELS)
        assert torch.equal(styles[:, 0], own)
        torch.testing.assert_close(styles[:, -1], own.roll(1, 0))
        is_own = (styles == own[:, None]).all(2).int()
        assert (is_own.diff(dim=1) <= 0).all()  # once another's, always
    assert torch.equal(small(mixing=0.0).mapping(latents, LABELS), own[:, None].expand(-1, 6, -1))


def test_mixing_keeps_the_label() -> None:
    torch.manual_seed(0)
    generator = Generator(6, 8, 1, base_width=4, style_dim=5, mixing=1.0, condition=ConcatenateOneHot(4))
    latents, labels = torch.randn(4, 6), torch.arange(4)
    torch.testing.assert_close(generator.mapping(latents, labels)[:, -1], generator.style(latents.roll(1, 0), labels))
    generator.eval()
    assert not torch.equal(generator(latents, labels), generator(latents, labels.flip(0)))


def test_truncation_moves_styles_towards_their_mean_over_training() -> None:
    generator = small()
    latents = torch.randn(4, 6)
    mean = generator.style(latents, LABELS).mean(0)
    for _ in range(2):
        generator.mapping(latents, LABELS)
    torch.testing.assert_close(generator.mean_style, (1 - 0.998**2) * mean)
    assert "mean_style" in generator.state_dict()
    generator.eval()
    generator.mean_style.copy_(mean)
    styles = generator.mapping(latents, LABELS)
    torch.testing.assert_close(generator.truncate(styles, 1.0), styles)
    torch.testing.assert_close(generator.truncate(styles, 0.5), (styles + mean) / 2)
    torch.testing.assert_close(generator.truncate(styles, 0.0), mean.expand_as(styles))


def test_a_modulated_convolution_is_one_with_scaled_and_normalised_weights() -> None:
    """Equations 1 to 3, for each sample by itself."""
    torch.manual_seed(0)
    layer = ModulatedConv2d(5, 3, 2, 3)
    maps, style = torch.randn(4, 3, 6, 6), torch.randn(4, 5)
    scales = style @ layer.scales.weight.T / math.sqrt(5) + 1
    for index in range(4):
        weight = layer.weight / math.sqrt(27) * scales[index, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = F.conv2d(maps[index : index + 1], weight, padding=1)
        torch.testing.assert_close(layer(maps, style)[index : index + 1], expected, rtol=1e-4, atol=1e-5)


def test_layers_keep_the_deviation_whatever_their_width() -> None:
    torch.manual_seed(0)
    for width in (20, 2000):
        outputs = EqualizedLinear(width, 500, rate=0.01)(torch.randn(200, width))
        assert float(outputs.detach().std()) == pytest.approx(0.01 * 100, rel=0.05)


def test_second_derivatives_exist_for_path_length() -> None:
    generator = small()
    styles = generator.mapping(torch.randn(4, 6), LABELS)
    images = generator.synthesis(styles)
    (gradient,) = torch.autograd.grad((images * torch.randn_like(images)).sum(), styles, create_graph=True)
    gradient.square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.layers.parameters())


def test_the_minibatch_deviation_is_that_of_each_group() -> None:
    torch.manual_seed(0)
    maps = torch.randn(6, 2, 3, 3)
    added = MinibatchDeviation(3)(maps)
    assert torch.equal(added[:, :2], maps)
    for rows in (slice(3), slice(3, 6)):
        expected = (maps[rows].var(0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(added[rows, 2], expected.expand(3, 3, 3))
    torch.testing.assert_close(MinibatchDeviation(4)(maps), added)  # 3 is the most that divides 6


@pytest.mark.parametrize("group", [0, 4])
def test_scores_depend_on_other_samples_where_the_group_says_so(group: int) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(8, 1, base_width=4, norm="none", minibatch_group=group).eval()
    images = torch.randn(8, 1, 8, 8)
    labels = torch.zeros(8, dtype=torch.int64)
    whole, alone = discriminator(images, labels).scores, discriminator(images[:4], labels[:4]).scores
    torch.testing.assert_close(whole[:4], alone)
    assert torch.allclose(discriminator(images[:2], labels[:2]).scores, alone[:2], atol=1e-6) == (group == 0)


def test_it_trains_on_digits(tmp_path: Path) -> None:
    small = ["model.generator.style_dim=8", "model.latent_dim=8", "optimizer.generator.lr=1e-3"]
    launch(tmp_path / "run", *TINY, "model=style_dcgan", "loss=r1", *small)
    with (tmp_path / "run" / "metrics.csv").open() as file:
        losses = [float(row["generator/loss"]) for row in csv.DictReader(file) if row["generator/loss"]]
    (path,) = (tmp_path / "run" / "checkpoints").glob("iteration_*20.pt")
    networks = torch.load(path, weights_only=True)["networks"]

    assert all(map(math.isfinite, losses))
    assert networks["ema.network.mean_style"].abs().max() > 0
    assert torch.equal(networks["ema.network.mean_style"], networks["generator.mean_style"])
    assert networks["generator.layers.0.strength"] != 0


def test_a_sampler_truncates_styles_where_there_are_some() -> None:
    generator = small().eval()
    generator.mean_style.copy_(torch.randn(5))
    sampler = Sampler(generator, Normal(6))
    plain, whole, none = (sampler.sample(6, seed=1, truncation=psi) for psi in (None, 1.0, 1e-6))
    assert torch.equal(plain.latents, none.latents)
    assert torch.equal(plain.pixels, whole.pixels)
    assert not torch.equal(none.pixels, plain.pixels)
    assert (none.pixels == none.pixels[:1]).all()


def test_path_length_trains_it(tmp_path: Path) -> None:
    words = ["model=style_dcgan", "loss=non_saturating", "+loss/term=path_length", "budget.kimg=0.096"]
    results = launch(tmp_path / "run", *TINY, *words, "model.generator.style_dim=8")
    assert results["generator_steps"] == 6
