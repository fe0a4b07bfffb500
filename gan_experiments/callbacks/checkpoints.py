"""Checkpoints that a kill cannot spoil, and the clean stop on a signal."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.record import AlarmError, DivergenceError, Record, check_finite
from gan_experiments.engine.module import TrainingModule
from gan_experiments.engine.state import collect
from gan_experiments.io import write_atomically
from gan_experiments.runs.checkpoints import BEST, checkpoint_name, list_checkpoints, load_checkpoint

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONCE_SECONDS = 1.0
"""Signals within so short a time are one: a terminal and a sweep may both pass it on."""


@contextlib.contextmanager
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

    def __init__(self, module: TrainingModule, directory: Path, every_kimg: float, keep: int, record: Record) -> None:
        self.module = module
        self.directory = directory
        self.every_kimg = every_kimg
        self.keep = keep
        self.record = record
        self.remembering: dict[str, Callback] = {}  # callbacks whose state is saved too
        self.stopped_by: signal.Signals | None = None  # of this process
        self.stopping = False  # of any process
        self._saved = -1
        self._asked = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over from Lightning, which would leave without saving; `keeping_signals` gives them back."""
        self._saved = self.module.clock.iterations
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.stopped_by is None:
            self.stopped_by, self._asked = signal.Signals(number), now
        elif now - self._asked > ONCE_SECONDS:  # asked twice: leave at once
            raise KeyboardInterrupt

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        self.stopping = trainer.strategy.reduce_boolean_decision(self.stopped_by is not None, all=False)
        if self.stopping:
            trainer.should_stop = True
        if self.stopping or self.module.clock.passed(self.every_kimg, self.module.batch_size):
            self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.module.clock.iterations != self._saved:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Save the exact state after the latest iteration.

        Raises:
            OSError: it cannot be written; older checkpoints stay as they are.
            DivergenceError: the losses since the last row are not finite, so that nothing good would be saved.
        """
        iterations = self.module.clock.iterations
        self.check(trainer)
        self.write(trainer, checkpoint_name(iterations))
        if trainer.is_global_zero:
            for old in list_checkpoints(self.directory)[: -self.keep]:
                old.unlink(missing_ok=True)
        self._saved = iterations

    def save_rolled_back(self, trainer: pl.Trainer) -> None:
        """Save where a rollback has led, and only then forget the checkpoints that came after."""
        name = checkpoint_name(self.module.clock.iterations)
        self.write(trainer, name)
        if trainer.is_global_zero:
            for path in list_checkpoints(self.directory):
                if path.name > name:
                    path.unlink(missing_ok=True)
        self._saved = self.module.clock.iterations

    def best(self) -> dict[str, Any] | None:
        """Load the best checkpoint; None where there is none that can be read."""
        try:
            return load_checkpoint(self.directory / BEST)
        except Exception:  # a damaged file may raise anything
            return None

    def check(self, trainer: pl.Trainer) -> None:
        """Make sure that there is something good to save or to measure.

        Raises:
            DivergenceError: the losses since the last row, or weights, are not finite.
        """
        iterations = self.module.clock.iterations
        check_finite(self.module.read_means(), iterations, self.record.every)
        if not torch.stack([value.isfinite().all() for value in self.module.parameters()]).all():
            raise DivergenceError(f"a weight became infinite or nan by iteration {iterations}.")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save what an alarm stopped; the state of a run that diverged goes beside the good ones, as diverged.pt."""
        if isinstance(exception, AlarmError):
            self.save(trainer)
        elif isinstance(exception, DivergenceError):
            exception.args = (f"{exception} {_diagnosis(self.module)}",)
            with contextlib.suppress(OSError):  # the diagnosis matters more than the disk
                self.write(trainer, "diverged.pt")

    def write(self, trainer: pl.Trainer, name: str, about: dict[str, Any] | None = None) -> None:
        """Write the exact state, and what else is to be said of it, under a name."""
        callbacks = {key: callback.state_dict() for key, callback in self.remembering.items()}
        state = {**collect(self.module), "last_row": self.record.last_row, "callbacks": callbacks, **(about or {})}
        if trainer.is_global_zero:
            self.directory.mkdir(exist_ok=True)
            write_atomically(self.directory / name, lambda file: torch.save(state, file))


def _diagnosis(module: TrainingModule) -> str:
    parts = []
    for name in module.networks:
        weights = dict(module.get_submodule(name).named_parameters())
        broken = [key for key, value in weights.items() if not value.isfinite().all()]
        if broken:
            parts.append(
                f"In the {name} {len(broken)} of {len(weights)} weight tensors are not finite: {broken[0]} ..."
            )
        else:
            largest = max(float(value.detach().abs().max()) for value in weights.values())
            parts.append(f"The {name}'s weights are finite, the largest {largest:.3g}.")
    parts.append(
        "Lower the learning rates, clip gradients (optimizer.gradient_clip.discriminator=1, say), or add a penalty "
        "(+loss/term=r1) in a new run; or go on from the last good checkpoint with allow_changes=[optimizer] and a "
        "lower optimizer.discriminator.lr and optimizer.generator.lr."
    )
    return " ".join(parts)
