"""Writing the losses down, and stopping a run whose losses are no longer numbers."""

import math
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.engine.module import TrainingModule
from gan_experiments.types import RunFailedError


class DivergenceError(RunFailedError):
    """A loss is no longer finite; says which and since when."""


class AlarmError(RunFailedError):
    """An alarm has stopped the run."""


class RollbackError(Exception):
    """An alarm asks for the best checkpoint and another random stream."""


class Record(Callback):
    """Logs the means of all losses every `every` iterations, in one call to each logger.

    Nothing waits for the device in between. A mean that is not finite stops the run: the weights are lost, and going on
    would only overwrite good checkpoints with bad ones.
    """

    def __init__(self, module: TrainingModule, every: int) -> None:
        self.module = module
        self.every = every
        self.last_row = 0
        self.latest: dict[str, float] = {}
        self._since = 0.0
        self._since_images = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since, self._since_images = time.perf_counter(), self.module.clock.images_seen

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.module.clock.iterations % self.every == 0:
            self.write(trainer)
            self.module.means.clear()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the last, incomplete interval too; its sums stay in the checkpoint, so that a longer run goes on."""
        if self.module.clock.iterations > self.last_row:
            self.write(trainer, complete=False)

    def write(self, trainer: pl.Trainer, complete: bool = True) -> None:
        """Write a row of means.

        Raises:
            DivergenceError: a mean is not finite.
        """
        means = self.module.read_means()
        if not means:
            return
        clock, now = self.module.clock, time.perf_counter()
        self.latest = {
            "iteration": clock.iterations,
            "kimg": clock.kimg,
            "epoch": clock.iterations / self.module.batches_per_epoch,
            "discriminator_steps": clock.discriminator_steps,
            "generator_steps": clock.generator_steps,
            "images_per_second": (clock.images_seen - self._since_images) / max(now - self._since, 1e-9),
            **means,
        }
        self._since, self._since_images = now, clock.images_seen
        for logger in trainer.loggers:
            logger.log_metrics(self.latest, step=clock.iterations)
        if complete:
            self.last_row = clock.iterations
        check_finite(means, clock.iterations, self.every)


def check_finite(means: Mapping[str, float], iteration: int, every: int) -> None:
    """Raise `DivergenceError` unless all means are finite."""
    broken = [f"{name} became {value}" for name, value in sorted(means.items()) if not math.isfinite(value)]
    if broken:
        raise DivergenceError(f"{', '.join(broken)} in the {every} iterations before iteration {iteration}.")
