"""Logging the losses, and stopping a run whose losses are no longer finite."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.errors import DivergenceError
from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.module import TrainingModule
from gan_experiments.runs.metrics_csv import SPEED, Row


@dataclass(eq=False, repr=False)
class Losses(Callback):
    """Logs the means of all losses every `log_every_iterations` iterations, in one call to each logger.

    Nothing waits for the device in between. A mean that is not finite stops the run: the weights are lost, and going on
    would only overwrite good checkpoints with bad ones.
    """

    module: TrainingModule
    status: TrainingStatus
    _since: float = field(default=0.0, init=False)
    _since_images: int = field(default=0, init=False)

    @property
    def state_key(self) -> str:
        return "losses"

    def state_dict(self) -> dict[str, Any]:
        return {"last_row": self.status.last_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.status.last_row = state["last_row"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since, self._since_images = time.perf_counter(), self.module.clock.images_seen

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        iterations = self.module.clock.iterations
        if iterations % self.status.log_every_iterations == 0 and (row := self._log(trainer)):
            self.status.last_row = iterations
            check_finite(row, iterations, self.status)
            self.module.means.clear()
            for listener in self.status.on_row:
                listener(trainer, row)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the last, incomplete interval too; its sums stay in the checkpoint, so that a longer run goes on."""
        iterations = self.module.clock.iterations
        if iterations > self.status.last_row:
            check_finite(self._log(trainer), iterations, self.status)

    def _log(self, trainer: pl.Trainer) -> dict[str, float]:
        """Log a row of means and return it; empty where nothing was measured."""
        means = self.module.read_means()
        if not means:
            return {}
        clock, now = self.module.clock, time.perf_counter()
        speed = (clock.images_seen - self._since_images) / max(now - self._since, 1e-9)
        row = Row({**clock.row(self.module.batches_per_epoch), SPEED: speed, **means})
        self._since, self._since_images = now, clock.images_seen
        for logger in trainer.loggers:
            logger.log_metrics(row, step=clock.iterations)
        return row


def check_finite(means: Mapping[str, float], iteration: int, status: TrainingStatus) -> None:
    """Raise `DivergenceError` unless all means are finite."""
    broken = [f"{name} became {value}" for name, value in sorted(means.items()) if not math.isfinite(value)]
    if broken:
        every = status.log_every_iterations
        raise DivergenceError(f"{', '.join(broken)} in the {every} iterations before iteration {iteration}.")
