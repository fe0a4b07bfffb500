"""Checkpoints that a kill cannot spoil, and the clean stop on a signal."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.errors import AlarmError, DivergenceError
from gan_experiments.callbacks.losses import check_finite
from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.module import TrainingModule
from gan_experiments.engine.state import collect
from gan_experiments.io import write_atomically, write_json
from gan_experiments.runs.run import BEST, checkpoint_name, list_checkpoints

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


@dataclass(eq=False, repr=False)
class Checkpoints(Callback):
    """Saves the exact state every so many kimg, at the end and on SIGINT or SIGTERM; keeps the newest `keep`.

    A checkpoint is written to a temporary name and renamed, so whatever carries a checkpoint's name is whole. It holds
    the state of all callbacks, so it is to be written when they have acted.
    """

    module: TrainingModule
    directory: Path
    every_kimg: float
    keep: int
    status: TrainingStatus
    _saved: int = field(default=-1, init=False)
    _signal_time: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.status.on_new_best.append(self._write_best)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over from Lightning, which would leave without saving; `keeping_signals` restores them."""
        if self.status.is_rolled_back:  # else a kill would bring the old random streams back
            name = checkpoint_name(self.module.clock.iterations)
            self.write(trainer, name)
            if trainer.is_global_zero:  # only then are the checkpoints that came after removed
                for path in list_checkpoints(self.directory):
                    if path.name > name:
                        path.unlink(missing_ok=True)
        self._saved = self.module.clock.iterations
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.status.stop_signal is None:
            self.status.stop_signal, self._signal_time = signal.Signals(number), now
        elif now - self._signal_time > ONCE_SECONDS:  # a second request: leave at once
            raise KeyboardInterrupt

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        # Several processes must ask each other, for which they wait.
        if trainer.world_size == 1 or self.module.clock.iterations % self.status.log_every_iterations == 0:
            self._share_signal(trainer)
        if self.status.is_stopping:
            trainer.should_stop = True
        if self.status.is_stopping or self.module.clock.passed(self.every_kimg, self.module.batch_size):
            self.save(trainer)

    def _share_signal(self, trainer: pl.Trainer) -> None:
        """Find out whether any process received a signal: all must stop after the same iteration."""
        received = self.status.stop_signal is not None
        self.status.is_stopping = trainer.strategy.reduce_boolean_decision(received, all=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._share_signal(trainer)
        if self.module.clock.iterations != self._saved:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Save the exact state after the latest iteration, unless it has diverged."""
        iterations = self.module.clock.iterations
        check_state(self.module, self.status)
        self.write(trainer, checkpoint_name(iterations))
        if trainer.is_global_zero:
            for old in list_checkpoints(self.directory)[: -self.keep]:
                old.unlink(missing_ok=True)
        self._saved = iterations

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save what an alarm stopped; the state of a run that diverged goes beside the good ones, as diverged.pt."""
        if isinstance(exception, AlarmError):
            self.save(trainer)
        elif isinstance(exception, DivergenceError):
            exception.args = (f"{exception} {_diagnosis(self.module)}",)
            with contextlib.suppress(OSError):  # the diagnosis matters more than the disk
                self.write(trainer, "diverged.pt")

    def _write_best(self, trainer: pl.Trainer, facts: dict[str, Any]) -> None:
        """Write best.pt, and after it the small best.json, by which it was chosen."""
        self.write(trainer, BEST, facts)
        if trainer.is_global_zero:
            write_json((self.directory / BEST).with_suffix(".json"), facts["chosen_by"])

    def write(self, trainer: pl.Trainer, name: str, facts: dict[str, Any] | None = None) -> None:
        """Write the exact state, and further facts, under a name."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
        state = collect(self.module, callbacks) | (facts or {})
        if trainer.is_global_zero:
            self.directory.mkdir(exist_ok=True)
            write_atomically(self.directory / name, lambda file: torch.save(state, file))


def check_state(module: TrainingModule, status: TrainingStatus) -> None:
    """Raise `DivergenceError` if the losses since the last row, or weights, are not finite."""
    iterations = module.clock.iterations
    check_finite(module.read_means(), iterations, status)
    if not torch.stack([value.isfinite().all() for value in module.parameters()]).all():
        raise DivergenceError(f"a weight became infinite or nan by iteration {iterations}.")


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
