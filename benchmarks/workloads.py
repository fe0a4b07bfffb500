"""What is trained in a measurement, on what, and how it is timed; needs neither Lightning nor Hydra."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gan_experiments.models import dcgan, report_e

LATENT_DIM = 100
NUM_CLASSES = 10


@dataclass(frozen=True)
class Workload:
    """Networks and data of one measurement.

    Args:
        title: for the table.
        image_size: pixels of a side.
        channels: 1 grey, 3 colour.
        num_images: size of the data set.
        batch_size: images of an iteration.
        signed: images lie in [-1, 1] (tanh), not in [0, 1] (sigmoid).
        class_loss: whether both losses have a class term, with a class drawn at random for fakes.
        networks: makes the generator and the discriminator that the hand-written loop trains.
        overrides: the command line of the same experiment.

    """

    title: str
    image_size: int
    channels: int
    num_images: int
    batch_size: int
    signed: bool
    class_loss: bool
    networks: Callable[[], tuple[nn.Module, nn.Module]]
    overrides: Sequence[str]

    @property
    def data_bytes(self) -> int:
        """Size of the images as uint8."""
        return self.num_images * self.channels * self.image_size**2

    def write_data(self, directory: Path) -> Path:
        """Write random images and labels in the layout that `dataset=npz` reads; no time depends on the pixels."""
        random = np.random.default_rng(0)
        shape = (self.num_images, self.image_size, self.image_size, *([3] if self.channels == 3 else []))
        path = directory / "data.npz"
        labels = np.arange(self.num_images) % NUM_CLASSES
        np.savez(path, train_images=random.integers(0, 256, shape, np.uint8), train_labels=labels)
        return path


def _dcgan(image_size: int, channels: int, base_width: int) -> tuple[nn.Module, nn.Module]:
    generator = dcgan.Generator(LATENT_DIM, image_size, channels, base_width=base_width)
    return generator, dcgan.Discriminator(image_size, channels, base_width=base_width)


WORKLOADS = {
    "report_e": Workload(
        title="report E: 28×28 grey, with a class loss",
        image_size=28, channels=1, num_images=60_000, batch_size=128, signed=False, class_loss=True,
        networks=lambda: (report_e.Generator(LATENT_DIM), report_e.Discriminator(num_classes=NUM_CLASSES)),
        overrides=["+experiment=fmnist_acgan"],
    ),
    "dcgan32": Workload(
        title="DCGAN: 32×32 colour",
        image_size=32, channels=3, num_images=50_000, batch_size=128, signed=True, class_loss=False,
        networks=lambda: _dcgan(32, 3, 64),
        overrides=["model=dcgan", "loss=non_saturating", "batch_size=128"],
    ),
    "tiny": Workload(
        title="DCGAN of 8 features: 8×8 grey, where nearly all is overhead",
        image_size=8, channels=1, num_images=1_500, batch_size=64, signed=True, class_loss=False,
        networks=lambda: _dcgan(8, 1, 8),
        overrides=[
            "model=dcgan", "loss=non_saturating", "model.generator.base_width=8", "model.discriminator.base_width=8",
        ],
    ),
}  # fmt: skip


class Stopwatch:
    """Times `iterations` iterations after `warm_up` ones; the training loop calls `tick` at the end of each."""

    def start(self, iterations: int, warm_up: int, profiler: Any = None) -> None:
        """Begin to count; `profiler`, if any, watches the timed iterations."""
        self.iterations, self.warm_up = iterations, warm_up
        self.profiler = profiler
        self.count = 0
        self.began = self.seconds = float("nan")

    @property
    def total(self) -> int:
        """Iterations to make."""
        return self.warm_up + self.iterations

    def tick(self) -> bool:
        """Count an iteration; return whether there are more to come."""
        self.count += 1
        if self.count == self.warm_up:
            if self.profiler is not None:
                self.profiler.start()
            self.began = _now()
        elif self.count == self.total:
            self.seconds = _now() - self.began
            if self.profiler is not None:
                self.profiler.stop()
        return self.count < self.total


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


stopwatch = Stopwatch()
