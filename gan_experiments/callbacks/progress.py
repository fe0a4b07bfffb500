"""The progress of a run: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.record import Record

log = logging.getLogger(__name__)
LINE_SECONDS = 30.0


class Progress(Callback):
    """Shows epoch, kimg, both losses, images/s and the time left whenever the record has a new row."""

    def __init__(self, record: Record, budget: BudgetCallback) -> None:
        self.record = record
        self.budget = budget
        self._bar = tqdm(disable=True)
        self._shown = record.latest
        self._share_before = 0.0
        self._began = self._last_line = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = self._last_line = time.perf_counter()
        self._share_before = self.budget.share_spent()
        if trainer.is_global_zero and sys.stderr.isatty():
            layout = "{percentage:3.0f}%|{bar}| {postfix}"
            self._bar = tqdm(total=1.0, initial=min(1.0, self._share_before), bar_format=layout, dynamic_ncols=True)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if not trainer.is_global_zero or self.record.latest is self._shown:
            return
        self._shown = self.record.latest
        now, share = time.perf_counter(), min(1.0, self.budget.share_spent())
        self._bar.n = share
        self._bar.set_postfix_str(self.text(share, now))
        if self._bar.disable and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            log.info("%3.0f%%  %s", 100 * share, self.text(share, now))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._bar.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._bar.close()

    def text(self, share: float, now: float) -> str:
        row = self.record.latest
        losses = [
            f"{name[0].upper()} {row[f'{name}/loss']:.3f}"
            for name in ("discriminator", "generator")
            if f"{name}/loss" in row
        ]
        left = tqdm.format_interval((now - self._began) * (1 - share) / max(share - self._share_before, 1e-9))
        parts = [f"epoch {row['epoch']:.1f}", f"{row['kimg']:,.1f} kimg", *losses]
        return "  ".join([*parts, f"{row['images_per_second']:,.0f} images/s", f"{left} left"])
