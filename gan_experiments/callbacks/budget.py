"""The end of a run: after so many epochs, kimg or generator steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.engine.clock import Clock
from gan_experiments.engine.module import TrainingModule


def share_spent(budget: Mapping[str, float | None], clock: Clock, batches_per_epoch: int) -> float:
    """Return the share of a budget, in the one unit that is not None, that is spent; 1 or more at the end."""
    if (epochs := budget["epochs"]) is not None:
        return clock.iterations / (epochs * batches_per_epoch)
    if (kimg := budget["kimg"]) is not None:
        return clock.kimg / kimg
    steps = budget["generator_steps"]
    assert steps is not None
    return clock.generator_steps / steps


@dataclass(eq=False, repr=False)
class BudgetCallback(Callback):
    """Stops training when the budget is spent."""

    module: TrainingModule
    budget: Mapping[str, float | None]

    def share_spent(self) -> float:
        """Return the share of the budget that is spent, 1 or more at the end."""
        return share_spent(self.budget, self.module.clock, self.module.batches_per_epoch)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train nothing where the run was killed after its last iteration."""
        trainer.should_stop = self.share_spent() >= 1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.share_spent() >= 1:
            trainer.should_stop = True
