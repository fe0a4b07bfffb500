"""The data module: for each process its pipeline, on its device, from the iteration of the clock."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytorch_lightning as pl

from gan_experiments.datasets.loader import Pipeline
from gan_experiments.engine.module import TrainingModule
from gan_experiments.rng import stream_seed
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

    def __init__(self, image_set: ImageSet, seed: int, **settings: Any) -> None:
        super().__init__()
        self._seed = seed
        self._pipeline = partial(Pipeline, image_set, **settings)

    def train_dataloader(self) -> EpochRest:
        """Return the batches from the clock's iteration to the end of its epoch, anew for each epoch."""
        trainer = self.trainer
        assert trainer is not None
        module = trainer.lightning_module
        assert isinstance(module, TrainingModule)
        rollbacks = module.clock.rollbacks
        pipeline = self._pipeline(
            seed=stream_seed("rollback", self._seed, rollbacks) if rollbacks else self._seed,
            device=trainer.strategy.root_device,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return EpochRest(pipeline, module)
