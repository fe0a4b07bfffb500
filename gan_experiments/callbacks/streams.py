"""The random streams of a run, set at the last moment before the first iteration."""

from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.module import TrainingModule
from gan_experiments.rng import random_state, set_random_state, stream_seed
from gan_experiments.types import UserError


@dataclass(eq=False, repr=False)
class RandomStreams(Callback):
    """Restores the streams of a resumed run; in a new run gives every process but the first its own.

    After a rollback all begin anew, in a way that follows from the seed and the number of rollbacks. No callback after
    this one may draw random numbers when training starts.
    """

    module: TrainingModule
    seed: int
    status: TrainingStatus
    _saved: list[dict[str, Any]] | None = field(default=None, init=False)  # of a checkpoint, one for each process

    @property
    def state_key(self) -> str:
        return "random"

    def state_dict(self) -> dict[str, Any]:
        streams = [random_state()]
        if dist.is_available() and dist.is_initialized():
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, streams[0])
            streams = gathered
        return {"processes": streams}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._saved = state["processes"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rank = trainer.global_rank
        if self.status.is_rolled_back:
            torch.manual_seed(stream_seed("rollback", self.seed, self.module.clock.rollbacks, rank))
        elif self._saved is None:
            if rank > 0:
                torch.manual_seed(stream_seed("process", self.seed, rank))
        elif len(self._saved) != trainer.world_size:
            raise UserError(
                f"the run was made with {len(self._saved)} processes and has as many random streams; resume it with "
                f"trainer.devices={len(self._saved)}, not {trainer.world_size}."
            )
        else:
            set_random_state(self._saved[rank])
