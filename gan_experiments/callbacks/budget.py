"""The end of a run: after so many epochs, kimg or generator steps."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.engine.module import TrainingModule


class BudgetCallback(Callback):
    """Stops training when the budget is spent; exactly one of the three is given."""

    def __init__(
        self,
        module: TrainingModule,
        epochs: float | None = None,
        kimg: float | None = None,
        generator_steps: float | None = None,
    ) -> None:
        self.module = module
        self.epochs = epochs
        self.kimg = kimg
        self.generator_steps = generator_steps

    def share_spent(self) -> float:
        """Return the share of the budget that is spent, 1 or more at the end."""
        clock = self.module.clock
        if self.epochs is not None:
            return clock.iterations / (self.epochs * self.module.batches_per_epoch)
        if self.kimg is not None:
            return clock.kimg / self.kimg
        assert self.generator_steps is not None
        return clock.generator_steps / self.generator_steps

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train nothing where the run was killed after its last iteration."""
        trainer.should_stop = self.share_spent() >= 1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.share_spent() >= 1:
            trainer.should_stop = True
