"""The progress of a run: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Mapping

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.status import TrainingStatus

log = logging.getLogger(__name__)
LINE_SECONDS = 30.0


class ProgressBar(Callback):
    """Shows epoch, kimg, both losses, images/s and the time left with each row of losses."""

    def __init__(self, budget: BudgetCallback, status: TrainingStatus) -> None:
        self.budget = budget
        self._bar = tqdm(disable=True)
        self._share_before = 0.0
        self._began = self._last_line = time.perf_counter()
        status.on_row.append(self._show)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = self._last_line = time.perf_counter()
        self._share_before = self.budget.share_spent()
        if trainer.is_global_zero and sys.stderr.isatty():
            layout = "{percentage:3.0f}%|{bar}| {postfix}"
            self._bar = tqdm(total=1.0, initial=min(1.0, self._share_before), bar_format=layout, dynamic_ncols=True)

    def _show(self, trainer: pl.Trainer, row: Mapping[str, float]) -> None:
        if not trainer.is_global_zero:
            return
        now, share = time.perf_counter(), min(1.0, self.budget.share_spent())
        text = self._format(row, share, now)
        self._bar.n = share
        self._bar.set_postfix_str(text)
        if self._bar.disable and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            log.info("%3.0f%%  %s", 100 * share, text)

    def _format(self, row: Mapping[str, float], share: float, now: float) -> str:
        losses = [
            f"{name[0].upper()} {row[f'{name}/loss']:.3f}"
            for name in ("discriminator", "generator")
            if f"{name}/loss" in row
        ]
        left = tqdm.format_interval((now - self._began) * (1 - share) / max(share - self._share_before, 1e-9))
        parts = [f"epoch {row['epoch']:.1f}", f"{row['kimg']:,.1f} kimg", *losses]
        return "  ".join([*parts, f"{row['images_per_second']:,.0f} images/s", f"{left} left"])

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._bar.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._bar.close()
