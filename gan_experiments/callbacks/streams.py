"""The random streams of a run, set at the last moment before the first iteration."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.module import TrainingModule
from gan_experiments.rng import set_random_state, stream_seed
from gan_experiments.types import UserError


class RandomStreams(Callback):
    """Restores the streams of a resumed run; in a new run gives every process but the first its own.

    After a rollback all begin anew, in a way that follows from the seed and the number of rollbacks. No callback after
    this one may draw random numbers when training starts.
    """

    def __init__(self, module: TrainingModule, seed: int, status: TrainingStatus) -> None:
        self.module = module
        self.seed = seed
        self.status = status
        self.saved: list[dict[str, Any]] | None = None  # the streams of a checkpoint, one for each process

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the streams.

        Raises:
            UserError: the run was made with another number of processes.
        """
        rank = trainer.global_rank
        if self.status.is_rolled_back:
            torch.manual_seed(stream_seed("rollback", self.seed, self.module.clock.rollbacks, rank))
        elif self.saved is None:
            if rank > 0:
                torch.manual_seed(stream_seed("process", self.seed, rank))
        elif len(self.saved) != trainer.world_size:
            raise UserError(
                f"the run was made with {len(self.saved)} processes and has as many random streams; resume it with "
                f"trainer.devices={len(self.saved)}, not {trainer.world_size}."
            )
        else:
            set_random_state(self.saved[rank])
