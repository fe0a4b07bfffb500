"""What all tasks share: networks that are updated by manual optimisation, the clock, and the means of their losses."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from gan_experiments.engine.clock import Clock
from gan_experiments.engine.ema import EMA
from gan_experiments.engine.meters import RunningMeans
from gan_experiments.engine.optimization import NetworkOptimizer
from gan_experiments.engine.schedules.base import Schedule
from gan_experiments.types import Batch, NetworkName, UserError

MemoryFormat = Literal["contiguous", "channels_last"]
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class TrainingModule(pl.LightningModule):
    """A task: which networks are trained, and what one iteration does to them.

    Args:
        discriminator: images and labels to a `DiscriminatorOutput`.
        optimizers: of the networks that are trained.
        batch_size: images of one iteration over all processes.
        memory_format: layout of convolutions; `channels_last` changes the order of summation only.
    """

    networks: ClassVar[tuple[NetworkName, ...]]
    """Those that are trained, in the order of their optimisers."""
    schedule: Schedule | None = None

    def __init__(
        self,
        discriminator: nn.Module,
        optimizers: Mapping[NetworkName, NetworkOptimizer],
        batch_size: int,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.discriminator = discriminator.to(memory_format=self.memory_format)
        self.network_optimizers = optimizers
        self.batch_size = batch_size
        self.batches_per_epoch = 0  # iterations of one pass over the data; set when they are known
        self.ema: EMA | None = None
        self.clock = Clock()
        self.means = RunningMeans()
        self._saved_optimizers: Mapping[NetworkName, Any] = {}

    @property
    def sampler(self) -> nn.Module | None:
        """The generator that metrics, grids and exports use, where the task has one."""
        return None

    @property
    def adversarial(self) -> frozenset[str]:
        """Names of the losses in which both networks are rivals."""
        return frozenset()

    def configure_optimizers(self) -> list[Optimizer]:
        for name, optimizer in self.network_optimizers.items():
            optimizer.shared_state = [part for child, part in self.named_children() if child != "ema"]
            if name in self._saved_optimizers:
                optimizer.load_state_dict(self._saved_optimizers[name])
        self._saved_optimizers = {}
        return [self.network_optimizers[name].optimizer for name in self.networks]

    def optimizers_state_dict(self) -> dict[NetworkName, Any]:
        """Return the optimisers' state by network."""
        return {name: self.network_optimizers[name].optimizer.state_dict() for name in self.networks}

    def load_optimizers_state_dict(self, state: Mapping[NetworkName, Any]) -> None:
        """Take the optimisers' state back, as soon as the parameters are on their device."""
        self._saved_optimizers = state

    def on_train_start(self) -> None:
        """Bring what was restored on the CPU to the device."""
        if isinstance(self.trainer.model, DistributedDataParallel):
            raise UserError("trainer.strategy: an update averages its gradients itself. Write trainer=ddp.")
        self.means.to(self.device)

    def read_means(self) -> dict[str, float]:
        """Return the means of the losses since the last row, averaged over all processes, which must all ask."""
        return self.means.read(lambda means: self.trainer.strategy.reduce(means, reduce_op="mean"))

    def formatted(self, batch: Batch) -> Batch:
        """Return the batch in the layout of the convolutions."""
        return Batch(batch.images.contiguous(memory_format=self.memory_format), batch.labels)
