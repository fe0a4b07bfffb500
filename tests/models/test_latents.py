"""Distributions of latents: their values, truncation, interpolation, and the yaml that names them."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]

from gan_experiments.models.latents import Latents, Normal, NormalWithCodes, Uniform, build_latents
from gan_experiments.types import UserError

CODES = NormalWithCodes(20, categorical=[10, 3], continuous=2)
EVERY = [Normal(5), Uniform(5), Uniform(5, 0.0, 2.0), CODES]
every = pytest.mark.parametrize("latents", EVERY, ids=repr)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every
def test_samples_have_the_size_and_follow_from_the_stream(latents: Latents) -> None:
    first, second = latents.sample(7, stream()), latents.sample(7, stream())
    assert first.shape == (7, latents.dim)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    assert not torch.equal(first, latents.sample(7, stream(1)))
    state = torch.get_rng_state()
    latents.sample(7, stream())
    assert torch.equal(torch.get_rng_state(), state)
    latents.sample(7)
    assert not torch.equal(torch.get_rng_state(), state)


def test_normal_latents_are_torchs_own_numbers() -> None:
    assert torch.equal(Normal(100).sample(64, stream()), torch.randn(64, 100, generator=stream()))
    torch.manual_seed(0)
    latents = Normal(3).sample(4, device="cpu")
    torch.manual_seed(0)
    assert torch.equal(latents, torch.randn(4, 3, device="cpu"))


def test_truncated_normal_latents_have_the_distribution_of_drawing_again() -> None:
    values = Normal(100).sample(400, stream(), truncation=0.7).flatten().numpy()
    assert np.abs(values).max() <= 0.7
    assert stats.kstest(values, stats.truncnorm(-0.7, 0.7).cdf).pvalue > 0.01
    # By the inverse distribution function, value by value.
    uniform = torch.rand(400, 100, generator=stream(), dtype=torch.float64).flatten().numpy()
    np.testing.assert_allclose(values, stats.truncnorm(-0.7, 0.7).ppf(uniform), atol=1e-6)


def test_truncated_uniform_latents_are_uniform_within() -> None:
    values = Uniform(100).sample(100, stream(), truncation=0.5).flatten().numpy()
    assert stats.kstest(values, stats.uniform(-0.5, 1.0).cdf).pvalue > 0.01
    assert Uniform(100, 0.0, 2.0).sample(100, stream(), truncation=0.5).min() >= 0
    with pytest.raises(UserError, match=r"truncation 0\.5 leaves nothing of latents that are uniform in \[1, 2\]"):
        Uniform(100, 1.0, 2.0).sample(1, truncation=0.5)


def test_uniform_latents_fill_their_bounds() -> None:
    values = Uniform(100, -2.0, 1.0).sample(100, stream()).flatten().numpy()
    assert stats.kstest(values, stats.uniform(-2.0, 3.0).cdf).pvalue > 0.01


def test_codes_follow_the_normal_entries() -> None:
    samples = CODES.sample(3000, stream())
    normal, first, second, continuous = torch.split(samples, [5, 10, 3, 2], dim=1)
    assert stats.kstest(normal.flatten().numpy(), "norm").pvalue > 0.01
    for codes in (first, second):
        assert torch.equal(codes.sum(1), torch.ones(3000))
        assert set(codes.flatten().tolist()) == {0.0, 1.0}
        assert stats.chisquare(codes.sum(0).numpy()).pvalue > 0.01
    assert stats.kstest(continuous.flatten().numpy(), stats.uniform(-1.0, 2.0).cdf).pvalue > 0.01
    truncated = CODES.sample(100, stream(), truncation=0.1)
    assert truncated[:, :5].abs().max() <= 0.1
    assert truncated[:, 5:15].max() == 1


@every
def test_interpolation_begins_and_ends_at_its_ends(latents: Latents) -> None:
    start, end = latents.sample(4, stream(0)), latents.sample(4, stream(1))
    torch.testing.assert_close(latents.interpolate(start, end, 0.0), start)
    torch.testing.assert_close(latents.interpolate(start, end, 1.0), end)
    shares = torch.tensor([[0.0], [0.3], [0.7], [1.0]])
    rows = torch.stack([latents.interpolate(start, end, share.item())[i] for i, share in enumerate(shares)])
    torch.testing.assert_close(latents.interpolate(start, end, shares), rows)


def test_interpolation_of_normal_latents_is_an_arc() -> None:
    start, end = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    third = Normal(2).interpolate(start, end, 1 / 3)
    torch.testing.assert_close(third, 2 * torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)]]))
    torch.testing.assert_close(Normal(2).interpolate(start, 3 * start, 0.5), 2 * start)  # parallel: the line
    assert Normal(2).interpolate(start, -start, 0.5).isfinite().all()
    torch.testing.assert_close(Uniform(2).interpolate(start, end, 0.25), torch.tensor([[1.5, 0.5]]))


@every
@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_expressions_draw_alike(latents: Latents, library: Any) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    drawn = eval(latents.code(500, library), {"torch": torch, "np": np})
    assert "float32" in str(drawn.dtype)
    drawn = torch.as_tensor(drawn)
    expected = latents.sample(500, stream())
    assert drawn.shape == expected.shape
    torch.testing.assert_close(drawn.mean(0), expected.mean(0), rtol=0, atol=0.3)
    torch.testing.assert_close(drawn.std(0), expected.std(0), rtol=0, atol=0.2)


def test_descriptions() -> None:
    assert [latents.describe() for latents in EVERY] == [
        "standard normal",
        "uniform in [-1, 1]",
        "uniform in [0, 2]",
        "5 standard normal entries, a one-hot code of 10 values, a one-hot code of 3 values, "
        "2 entries uniform in [-1, 1]",
    ]


def test_a_models_latents_are_normal_unless_its_yaml_names_others() -> None:
    target = "gan_experiments.models.latents."
    assert build_latents({"latent_dim": 7}) == Normal(7)
    assert build_latents({"latent_dim": 7, "latents": None}) == Normal(7)
    uniform = {"_target_": f"{target}Uniform", "dim": 7, "low": 0.0}
    assert build_latents({"latent_dim": 7, "latents": uniform}) == Uniform(7, 0.0, 1.0)
    refused: list[tuple[int, dict[str, Any], str]] = [
        (8, uniform, r"model\.latents\.dim is 7, but model\.latent_dim.* is 8"),
        (8, {"_target_": "collections.Counter"}, r"model\.latents is a Counter"),
        (8, {"_target_": f"{target}NormalWithCodes", "dim": 8, "categorical": [8]}, r"latent_dim is 8.*take 8 entries"),
        (8, {"_target_": f"{target}Uniform", "dim": 8, "low": 1.0}, r"latents\.low=1 must be below"),
    ]
    for latent_dim, node, message in refused:
        with pytest.raises(UserError, match=message):
            build_latents({"latent_dim": latent_dim, "latents": node})
