"""What all tasks share: networks that are updated by manual optimisation, the clock, and the means of their losses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_experiments.engine.clock import Clock
from gan_experiments.engine.ema import EMA
from gan_experiments.engine.learning_rate import LearningRate
from gan_experiments.engine.meters import RunningMeans
from gan_experiments.engine.schedules.base import Schedule
from gan_experiments.types import Batch, NetworkName

MemoryFormat = Literal["contiguous", "channels_last"]
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Optimization:
    """How networks are updated, whatever the task."""

    optimizers: Mapping[NetworkName, Optimizer]  # for each network
    learning_rate: LearningRate  # factor of the learning rates as a function of kimg
    gradient_clip: Mapping[NetworkName, float | None]  # for each network, the largest norm of its gradient
    batch_size: int  # images of one iteration over all processes


class TrainingModule(pl.LightningModule):
    """A task: which networks are trained, and what one iteration does to them.

    Args:
        discriminator: images and labels to a `DiscriminatorOutput`.
        optimization: how networks are updated.
        memory_format: layout of convolutions; `channels_last` changes the order of summation only.
    """

    networks: ClassVar[tuple[NetworkName, ...]]
    """Those that are trained, in the order of their optimisers."""
    schedule: Schedule | None = None

    def __init__(
        self,
        discriminator: nn.Module,
        optimization: Optimization,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.discriminator = discriminator.to(memory_format=self.memory_format)
        self.optimization = optimization
        self.batch_size = optimization.batch_size
        self.batches_per_epoch = 0  # iterations of one pass over the data; set when they are known
        self.ema: EMA | None = None
        self.clock = Clock()
        self.means = RunningMeans()
        self.saved_optimizers: dict[str, Any] | None = None
        self._configured_groups: dict[NetworkName, list[dict[str, Any]]] = {
            name: [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
            for name, optimizer in optimization.optimizers.items()
        }

    @property
    def sampler(self) -> nn.Module | None:
        """The generator that metrics, grids and exports use, where the task has one."""
        return None

    @property
    def adversarial(self) -> set[str]:
        """Names of the losses in which both networks are rivals."""
        return set()

    def configure_optimizers(self) -> list[Optimizer]:
        optimizers = self.optimization.optimizers
        if self.saved_optimizers is not None:
            for name, groups in self._configured_groups.items():
                optimizers[name].load_state_dict(self.saved_optimizers[name])
                for group, values in zip(optimizers[name].param_groups, groups, strict=True):
                    group.update(values)  # the config's: a resumed run may have been allowed to change them
            self.saved_optimizers = None
        return [optimizers[name] for name in self.networks]

    def on_train_start(self) -> None:
        """Bring what was restored on the CPU to the device."""
        self.means.to(self.device)

    def read_means(self) -> dict[str, float]:
        """Return the means of the losses since the last row, averaged over all processes, which must all ask."""
        return self.means.read(lambda means: self.trainer.strategy.reduce(means, reduce_op="mean"))

    def formatted(self, batch: Batch) -> Batch:
        """Return the batch in the layout of the convolutions."""
        return Batch(batch.images.contiguous(memory_format=self.memory_format), batch.labels)

    def step(self, network: NetworkName, loss: Tensor) -> None:
        found: Any = self.optimizers()  # a list only where there are several
        optimizers: list[LightningOptimizer] = found if isinstance(found, list) else [found]
        optimizer = optimizers[self.networks.index(network)]
        factor = self.optimization.learning_rate.factor(self.clock.kimg)
        for group, configured in zip(optimizer.param_groups, self._configured_groups[network], strict=True):
            group["lr"] = configured["lr"] * factor
        optimizer.zero_grad()
        with torch.autocast(self.device.type, enabled=False):  # or second derivatives would be rounded
            self.manual_backward(loss)
        clip = self.optimization.gradient_clip[network]
        if clip is not None:
            self.clip_gradients(optimizer.optimizer, gradient_clip_val=clip, gradient_clip_algorithm="norm")
        optimizer.step()
