"""Small cases, networks and protocols for the tests of evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.extractors.module import ModuleExtractor
from gan_experiments.metrics.features import Features
from gan_experiments.metrics.protocol import Protocol, RealImages
from gan_experiments.models.latents import Normal
from gan_experiments.types import MetricSpec

LATENT_DIM = 3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def points(at: Tensor | Sequence[float], predicted: Any = None, labels: Any = None, num_classes: int = 0) -> Features:
    """Features (numbers: points on a line), and logits of 1 at the class predicted."""
    values = torch.as_tensor(at, dtype=torch.float32)
    values = values.view(len(values), -1)
    logits = None
    if predicted is not None:
        logits = torch.eye(num_classes or int(max(predicted)) + 1)[torch.as_tensor(predicted)]
    if labels is None:
        labels = torch.zeros(len(values), dtype=torch.int64)
    return Features(values, logits, torch.as_tensor(labels))


def inputs(samples: Features | None, reference: Features, **more: Any) -> MetricInputs:
    """What a metric reads, of given features; `more`: `training`, `held_out`, `pixels`, `probe` and other parts."""
    training, held_out = more.get("training", reference), more.get("held_out")
    sets = {"reference": reference, "training": training, "held_out": held_out}
    pixels = more.get("pixels")
    real = SimpleNamespace(
        class_names=more.get("class_names", ["a", "b"]),
        reference=more.get("reference_pixels"),
        held_out=more.get("held_out_images", held_out),
    )
    protocol: Any = SimpleNamespace(
        real=real,
        conditional=more.get("conditional", True),
        features=lambda extractor: sets,
        no_class_head=more.get("no_class_head", ""),
    )
    images: Any = None
    if samples is not None:
        images = SimpleNamespace(features=lambda extractor: samples, labels=samples.labels, pixels=lambda: pixels)
    extractor: Any = SimpleNamespace(knows_classes=more.get("knows_classes", True))
    return MetricInputs(protocol, extractor, images, more.get("seed", 0), probe=more.get("probe"))


def images(count: int, channels: int = 1, side: int = 8, num_classes: int = 2, seed: int = 0) -> TensorImageSet:
    """Random pixels, of classes in turn."""
    stream = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, channels, side, side), generator=stream).to(torch.uint8)
    return TensorImageSet(pixels, torch.arange(count) % num_classes)


class TinyGenerator(nn.Module):
    """Latents and labels to 1×8×8, by a convolution and a batch norm; keeps the labels it was asked for."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(2, 4)
            self.layers = nn.Sequential(
                nn.ConvTranspose2d(LATENT_DIM + 4, 8, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 1, 5)
            )
        norm = self.layers[1]
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        norm.running_mean.copy_(normal(8, seed=1) / 10)
        self.asked: list[Tensor] = []

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        self.asked.append(labels)
        images: Tensor = self.layers(torch.cat([latents, self.embedding(labels)], 1)[:, :, None, None])
        return images.tanh()


class TwoOutputs(nn.Module):
    """Features of a convolution, and logits over two classes."""

    def __init__(self, channels: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Conv2d(channels, 6, 5, stride=3), nn.ReLU(), nn.Flatten())
            self.head = nn.LazyLinear(2)
            self.head(self.layers(torch.zeros(1, channels, 8, 8)))
        self.calls = 0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        features = self.layers(images)
        return features, self.head(features)


def extractor(name: str = "toy", channels: int = 1, image_size: int | None = 8, seed: int = 5) -> ModuleExtractor:
    return ModuleExtractor(name, TwoOutputs(channels, seed), image_size, channels, knows_classes=True)


def protocol(metrics: Mapping[str, Metric], cache_dir: Path, **more: Any) -> Protocol:
    real = RealImages("toys", ["even", "odd"], training := images(300), training, images(200, seed=1))
    given: dict[str, Any] = {
        "extractors": {"toy": extractor()},
        "real": real,
        "num_samples": 300,
        "latents": Normal(LATENT_DIM),
        "value_range": (-1.0, 1.0),
        "conditional": True,
        "weights": "raw",
    }
    return Protocol(metrics=metrics, cache_dir=cache_dir, **(given | more))


@dataclass(frozen=True)
class Probe(Metric):
    """Keeps the inputs it is given, and counts the samples."""

    given: list[MetricInputs] = field(default_factory=list)

    specs: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("probe"),)

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        self.given.append(inputs)
        return {"probe": float(len(inputs.samples))}

    def parameters(self) -> dict[str, Any]:
        return {}


class Raw(Extractor):
    """The pixels themselves."""

    name = "raw"

    def __init__(self, channels: int, image_size: int | None) -> None:
        super().__init__()
        self.channels, self.image_size = channels, image_size

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        return pixels.flatten(1).float(), None
