"""The progress of a run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.record import Record
from gan_experiments.training.gan import GAN

log = logging.getLogger(__name__)


class Progress(Callback):
    """Shows epoch, kimg, both losses, images/s and the time left whenever the record has a new row."""

    def __init__(self, record: Record, budget: BudgetCallback, line_every_seconds: float = 30.0) -> None:
        self.record = record
        self.budget = budget
        self.line_every_seconds = line_every_seconds
        self._bar: Any = None
        self._shown = record.latest
        self._start = (0.0, 0.0)
        self._last_line = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        assert isinstance(pl_module, GAN)
        now = time.perf_counter()
        self._start, self._last_line = (now, self.budget.share_spent(pl_module)), now
        if trainer.is_global_zero and sys.stderr.isatty():
            layout = "{percentage:3.0f}%|{bar}| {postfix}"
            self._bar = tqdm(total=1.0, initial=min(1.0, self._start[1]), bar_format=layout, dynamic_ncols=True)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Show the latest row once."""
        assert isinstance(pl_module, GAN)
        if not trainer.is_global_zero or self.record.latest is self._shown:
            return
        self._shown = self.record.latest
        now, share = time.perf_counter(), self.budget.share_spent(pl_module)
        if self._bar is not None:
            self._bar.n = min(1.0, share)
            self._bar.set_postfix_str(self.text(share, now))
        elif now - self._last_line >= self.line_every_seconds:
            self._last_line = now
            log.info("%3.0f%%  %s", 100 * share, self.text(share, now))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def text(self, share: float, now: float) -> str:
        """Put the latest row into one line."""
        row = self.record.latest
        parts = [f"epoch {row['epoch']:.1f}", f"{row['kimg']:,.1f} kimg"]
        parts += [
            f"{name[0].upper()} {row[f'{name}/loss']:.3f}"
            for name in ("discriminator", "generator")
            if f"{name}/loss" in row
        ]
        parts.append(f"{row['images_per_second']:,.0f} images/s")
        started, share_then = self._start
        if share > share_then:
            left = (now - started) * (1 - share) / (share - share_then)
            parts.append(f"{_clock_time(max(left, 0))} left")
        return "  ".join(parts)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
