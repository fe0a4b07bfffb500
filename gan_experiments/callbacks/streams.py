"""The random streams of a run, set at the last moment before the first iteration."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.checkpoints import Checkpoints
from gan_experiments.rng import set_random_state, stream_seed
from gan_experiments.types import UserError


class RandomStreams(Callback):
    """Puts a resumed run's streams where they were; gives every further process of a new run its own.

    After a rollback all begin anew, in a way that follows from the seed and the number of rollbacks. It is the last
    callback that acts when training starts, so that nothing draws between it and the first iteration.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.saved: list[dict[str, Any]] | None = None  # the streams of a checkpoint, one for each process
        self.rolled_back: Checkpoints | None = (
            None  # saves the new streams at once, so that a kill does not bring the old ones back
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the streams.

        Raises:
            UserError: the run was made with another number of processes.
        """
        if self.rolled_back is not None:
            rollbacks = self.rolled_back.module.clock.rollbacks
            torch.manual_seed(stream_seed("rollback", self.seed, rollbacks, trainer.global_rank))
            self.rolled_back.save_rolled_back(trainer)
            return
        if self.saved is None:
            if trainer.global_rank > 0:
                torch.manual_seed(stream_seed("process", self.seed, trainer.global_rank))
            return
        if len(self.saved) != trainer.world_size:
            raise UserError(
                f"the run was made with {len(self.saved)} processes and has as many random streams; resume it with "
                f"trainer.devices={len(self.saved)}, not {trainer.world_size}."
            )
        set_random_state(self.saved[trainer.global_rank])
