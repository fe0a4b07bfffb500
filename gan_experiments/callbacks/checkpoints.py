"""Checkpoints that a kill cannot spoil, and the clean stop on a signal."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.record import DivergenceError, Record, check_finite
from gan_experiments.tracking.files import write_atomically
from gan_experiments.training.exact_state import collect
from gan_experiments.training.gan import GAN

log = logging.getLogger(__name__)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATTERN = re.compile(r"iteration_(\d+)\.pt")


def list_checkpoints(directory: Path) -> list[Path]:
    """List the checkpoints of a directory, oldest first."""
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if PATTERN.fullmatch(path.name)), key=lambda path: path.name)


@contextmanager
def keeping_signals() -> Iterator[None]:
    """Put the handlers of SIGINT and SIGTERM back: Lightning's would keep the whole run alive, and the process too."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class Checkpoints(Callback):
    """Saves the exact state every so many kimg, at the end and on SIGINT or SIGTERM; keeps the newest `keep`.

    A checkpoint is written to a temporary name and renamed, so whatever carries a checkpoint's name is whole.
    """

    def __init__(self, directory: Path, every_kimg: float, keep: int, record: Record) -> None:
        self.directory = directory
        self.every_kimg = every_kimg
        self.keep = keep
        self.record = record
        self.stopped_by: signal.Signals | None = None
        self._saved = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over from Lightning, which would leave without saving; `keeping_signals` gives them back."""
        assert isinstance(pl_module, GAN)
        self._saved = pl_module.clock.iterations
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None:  # asked twice: leave at once
            raise KeyboardInterrupt
        self.stopped_by = signal.Signals(number)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Save when due, or when asked to stop."""
        assert isinstance(pl_module, GAN)
        stop = trainer.strategy.reduce_boolean_decision(self.stopped_by is not None, all=False)
        if stop:
            trainer.should_stop = True
        if stop or pl_module.clock.passed(self.every_kimg, pl_module.batch_size):
            self.save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the end of training."""
        assert isinstance(pl_module, GAN)
        if pl_module.clock.iterations != self._saved:
            self.save(trainer, pl_module)

    def save(self, trainer: pl.Trainer, gan: GAN) -> None:
        """Save the exact state after the latest iteration.

        Raises:
            OSError: it cannot be written; older checkpoints stay as they are.
            DivergenceError: the losses since the last row are not finite, so that nothing good would be saved.
        """
        check_finite(gan.read_means(), gan.clock.iterations, self.record.every)
        if not torch.stack([value.isfinite().all() for value in gan.parameters()]).all():
            raise DivergenceError(f"a weight became infinite or nan by iteration {gan.clock.iterations}.")
        state = {**collect(gan), "last_row": self.record.last_row}
        if trainer.is_global_zero:
            self.directory.mkdir(exist_ok=True)
            path = self.directory / f"iteration_{gan.clock.iterations:09d}.pt"
            write_atomically(path, lambda file: torch.save(state, file))
            for old in list_checkpoints(self.directory)[: -self.keep]:
                old.unlink(missing_ok=True)
        self._saved = gan.clock.iterations


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's containers and tensors; never code."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
