"""A trained network and what must be known to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from gan_experiments.models.latents import Latents


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator in evaluation mode, float32 on the CPU, and what must be known to use it."""

    network: nn.Module
    weights: str  # which, in words
    checkpoint: Path
    iteration: int
    kimg: float
    latents: Latents
    class_names: Sequence[str]  # empty where it takes no label
    image_shape: tuple[int, int, int]  # C×H×W
    value_range: tuple[float, float]  # black and white
    measured: Mapping[str, Any]  # entries as in results.json, where the checkpoint itself holds some

    @property
    def conditional(self) -> bool:
        return bool(self.class_names)


@dataclass(frozen=True)
class TrainedDiscriminator:
    """A discriminator in evaluation mode, float32 on the CPU, and what must be known to use it."""

    network: nn.Module
    checkpoint: Path
    iteration: int
    kimg: float
    class_names: Sequence[str]  # of the data set; empty where it has none
    image_shape: tuple[int, int, int]  # C×H×W
    value_range: tuple[float, float]  # black and white
