"""A discriminator alone, trained as a classifier."""

from collections.abc import Mapping
from typing import ClassVar

from torch import nn
from torch.nn import functional as F

from gan_experiments.engine.module import MemoryFormat, TrainingModule
from gan_experiments.engine.optimization import NetworkOptimizer
from gan_experiments.engine.schedules.base import Updates
from gan_experiments.types import Batch, NetworkName


class Classifier(TrainingModule):
    """Trains the discriminator's class head by cross-entropy on real images; its score is not trained."""

    networks: ClassVar[tuple[NetworkName, ...]] = ("discriminator",)

    def __init__(
        self,
        *,
        discriminator: nn.Module,
        optimizers: Mapping[NetworkName, NetworkOptimizer],
        batch_size: int,
        memory_format: MemoryFormat = "contiguous",
        compile: bool = False,
    ) -> None:
        super().__init__(discriminator, optimizers, batch_size, memory_format)
        if compile:
            self.discriminator.compile()

    def training_step(self, batch: Batch, batch_index: int) -> None:
        real = self.formatted(batch)
        logits = self.discriminator(real.images, real.labels).class_logits.float()
        loss = F.cross_entropy(logits, real.labels)
        optimizer = self.network_optimizers["discriminator"]
        optimizer.set_kimg(self.clock.kimg)
        optimizer.step(loss)
        self.clock.advance(Updates(discriminator=True, generator=False), self.batch_size)
        accuracy = (logits.argmax(1) == real.labels).float().mean()
        self.means.add({"discriminator/loss": loss, "discriminator/class_accuracy": accuracy})
