"""Path length of generators for which it is known."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import LATENT_DIM, Raw, TinyGenerator, protocol

from gan_experiments.metrics.evaluate import evaluate
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.perceptual_path_length import PerceptualPathLength

METRICS = {"path": PerceptualPathLength(num_pairs=300)}


class Unit(Extractor):
    """The first three pixels in [-1, 1]."""

    name = "unit"
    channels = 1

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        return pixels.flatten(1)[:, :3] / 127.5 - 1, None


class Styled(nn.Module):
    """Latents to points on a circle of `turns` turns for a change of the style by 1; the style is the first latent."""

    def __init__(self, turns: float) -> None:
        super().__init__()
        self.turns = nn.Parameter(torch.tensor(turns))

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        return latents[:, :1] / 4

    def synthesis(self, styles: Tensor) -> Tensor:
        angle = 2 * math.pi * self.turns * styles
        points = torch.cat([angle.cos(), angle.sin(), torch.zeros(len(angle), 62)], 1)
        return points.view(-1, 1, 8, 8)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.synthesis(self.mapping(latents, labels))


def lengths(generator: nn.Module, directory: Path, **more: Any) -> dict[str, float]:
    given = {"extractors": {"unit": Unit()}, **more}
    results = evaluate(generator, protocol(METRICS, directory, **given), seed=1)
    return {key: value.value for key, value in results.values.items() if value.value is not None}


def test_the_length_in_w_is_the_mean_square_of_the_speed(tmp_path: Path) -> None:
    found = lengths(Styled(turns=0.5), tmp_path)
    assert found.keys() == {"path_length_z/unit", "path_length_w/unit"}
    # The style moves by (b - a) / 4 along the line from a to b, both standard normal: the mean square is 2 / 16. On
    # the unit circle the speed is 2π · 0.5 of that. Leaving out the largest percentile makes it about 8% smaller.
    assert found["path_length_w/unit"] == pytest.approx(math.pi**2 / 8, rel=0.25)
    twice = lengths(Styled(turns=1.0), tmp_path)
    for key, value in found.items():  # twice as fast, so four times as long
        assert twice[key] == pytest.approx(4 * value, rel=0.02)


def test_a_generator_without_styles_has_no_length_in_w(tmp_path: Path) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.tensor(0.5))

        def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
            return self.value.expand(len(latents), 1, 8, 8)

    assert lengths(Constant(), tmp_path) == {"path_length_z/unit": 0}
    tiny = lengths(TinyGenerator(), tmp_path, extractors={"raw": Raw(1, 8)})
    assert tiny.keys() == {"path_length_z/raw"}
    assert 0 < tiny["path_length_z/raw"] < math.inf


def test_extractors_that_round_images_are_refused(tmp_path: Path) -> None:
    class Rounding(Unit):
        takes_floats = False

    results = evaluate(TinyGenerator(), protocol(METRICS, tmp_path, extractors={"unit": Rounding()}), seed=0)
    assert results.values == {}
    assert "rounds images" in results.not_applicable["path/unit"]


def test_the_protocol_names_the_generator_but_no_number_of_samples(tmp_path: Path) -> None:
    measured = protocol(METRICS, tmp_path, extractors={"unit": Unit()})
    facts = measured.facts_of("path_length_z")
    assert facts["latents"].startswith("standard normal")
    assert facts["parameters"]["num_pairs"] == 300
    assert "num_samples" not in facts
    assert measured.latents.dim == LATENT_DIM
