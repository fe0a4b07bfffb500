"""The data module: gives each process its pipeline, on its device, from where the clock stands."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytorch_lightning as pl

from gan_experiments.datasets.loader import Pipeline
from gan_experiments.engine.module import TrainingModule
from gan_experiments.types import Batch, ImageSet


class EpochRest:
    """What is left of the epoch in which the clock stands. It has no length, for the first may be cut short."""

    def __init__(self, pipeline: Pipeline, module: TrainingModule) -> None:
        self.pipeline = pipeline
        self.module = module

    def __iter__(self) -> Iterator[Batch]:
        """Start where the clock stands."""
        return self.pipeline.from_iteration(self.module.clock.iterations)


class Feed(pl.LightningDataModule):
    """Feeds a task from an image set; `settings` are those of `Pipeline` besides device and process."""

    def __init__(self, image_set: ImageSet, **settings: Any) -> None:
        super().__init__()
        self._make = partial(Pipeline, image_set, **settings)

    def train_dataloader(self) -> EpochRest:
        """Return the batches from the clock's iteration to the end of its epoch, anew for each epoch."""
        trainer = self.trainer
        assert trainer is not None
        assert isinstance(trainer.lightning_module, TrainingModule)
        device = trainer.strategy.root_device
        pipeline = self._make(device=device, rank=trainer.global_rank, world_size=trainer.world_size)
        return EpochRest(pipeline, trainer.lightning_module)
