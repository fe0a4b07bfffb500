"""Writing the losses down, and stopping a run whose losses are no longer numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.training.gan import GAN


class DivergenceError(Exception):
    """A loss is no longer finite; says which and since when."""


class Record(Callback):
    """Logs the means of all losses every `every` iterations, in one call to each logger.

    Nothing waits for the device in between. A mean that is not finite stops the run: the weights are lost, and going on
    would only overwrite good checkpoints with bad ones.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.last_row = 0
        self.latest: dict[str, float] = {}
        self.previous: dict[str, float] = {}
        self._since = 0.0
        self._since_images = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to measure speed."""
        assert isinstance(pl_module, GAN)
        self._since, self._since_images = time.perf_counter(), pl_module.clock.images_seen

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Write a row when one is due."""
        assert isinstance(pl_module, GAN)
        if pl_module.clock.iterations % self.every == 0:
            self.write(trainer, pl_module)
            pl_module.means.clear()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the last, incomplete interval too; its sums stay in the checkpoint, so that a longer run goes on."""
        assert isinstance(pl_module, GAN)
        if pl_module.clock.iterations > self.last_row:
            self.write(trainer, pl_module, complete=False)

    def write(self, trainer: pl.Trainer, gan: GAN, complete: bool = True) -> None:
        """Write a row of means.

        Raises:
            DivergenceError: a mean is not finite.
        """
        means = gan.read_means()
        if not means:
            return
        clock, now = gan.clock, time.perf_counter()
        row = {
            "iteration": clock.iterations,
            "kimg": clock.kimg,
            "epoch": clock.iterations / gan.batches_per_epoch,
            "discriminator_steps": clock.discriminator_steps,
            "generator_steps": clock.generator_steps,
            "images_per_second": (clock.images_seen - self._since_images) / max(now - self._since, 1e-9),
            **means,
        }
        self._since, self._since_images = now, clock.images_seen
        self.previous, self.latest = self.latest, row
        for logger in trainer.loggers:
            logger.log_metrics(row, step=clock.iterations)
        if complete:
            self.last_row = clock.iterations
        check_finite(means, clock.iterations, self.every)


def check_finite(means: Mapping[str, float], iteration: int, every: int) -> None:
    """Raise `DivergenceError` unless all means are finite."""
    broken = sorted(name for name, value in means.items() if not math.isfinite(value))
    if broken:
        raise DivergenceError(
            f"{', '.join(broken)} became {', '.join(str(means[name]) for name in broken)} in the {every} iterations "
            f"before iteration {iteration}."
        )
