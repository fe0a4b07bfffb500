"""The end of a run: after so many epochs, kimg or generator steps."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.engine.module import TrainingModule


def share_spent(
    budget: Mapping[str, float | None], iterations: int, batches_per_epoch: int, kimg: float, generator_steps: int
) -> float:
    """Return the share of a budget, in the one unit that is not None, that is spent; 1 or more at the end."""
    if (epochs := budget["epochs"]) is not None:
        return iterations / (epochs * batches_per_epoch)
    if (given := budget["kimg"]) is not None:
        return kimg / given
    steps = budget["generator_steps"]
    assert steps is not None
    return generator_steps / steps


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
        self.budget = {"epochs": epochs, "kimg": kimg, "generator_steps": generator_steps}

    def share_spent(self) -> float:
        """Return the share of the budget that is spent, 1 or more at the end."""
        clock = self.module.clock
        return share_spent(
            self.budget, clock.iterations, self.module.batches_per_epoch, clock.kimg, clock.generator_steps
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train nothing where the run was killed after its last iteration."""
        trainer.should_stop = self.share_spent() >= 1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.share_spent() >= 1:
            trainer.should_stop = True
