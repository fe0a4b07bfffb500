"""The end of a run: after so many epochs, kimg or generator steps."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.training.gan import GAN


class BudgetCallback(Callback):
    """Stops training when the budget is spent; exactly one of the three is given."""

    def __init__(
        self, epochs: float | None = None, kimg: float | None = None, generator_steps: float | None = None
    ) -> None:
        self.epochs = epochs
        self.kimg = kimg
        self.generator_steps = generator_steps

    def share_spent(self, gan: GAN) -> float:
        """Give the share of the budget that is spent, 1 or more at the end."""
        clock = gan.clock
        if self.epochs is not None:
            return clock.iterations / (self.epochs * gan.batches_per_epoch)
        if self.kimg is not None:
            return clock.kimg / self.kimg
        assert self.generator_steps is not None
        return clock.generator_steps / self.generator_steps

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Stop after the iteration that spends the budget."""
        assert isinstance(pl_module, GAN)
        if self.share_spent(pl_module) >= 1:
            trainer.should_stop = True
