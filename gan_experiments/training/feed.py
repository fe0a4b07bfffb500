"""The data module: gives each process its pipeline, on its device, from where the clock stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl

from gan_experiments.data.pipeline import Pipeline
from gan_experiments.training.gan import GAN
from gan_experiments.types import Batch, ImageSet


class Feed(pl.LightningDataModule):
    """Feeds a GAN from an image set.

    Args:
        image_set: the training images.
        batch_size: images of a global batch.
        seed: of order and augmentation.
        value_range: the model's.
        augmentations: by name.
        in_memory: hold the images on the training device.
        num_workers: processes that read images otherwise.
    """

    def __init__(
        self,
        image_set: ImageSet,
        *,
        batch_size: int,
        seed: int,
        value_range: Sequence[float],
        augmentations: Mapping[str, Callable[..., Any]],
        in_memory: bool,
        num_workers: int,
    ) -> None:
        super().__init__()
        self._make = partial(
            Pipeline,
            image_set,
            batch_size=batch_size,
            seed=seed,
            value_range=value_range,
            augmentations=augmentations,
            in_memory=in_memory,
            num_workers=num_workers,
        )

    def train_dataloader(self) -> EpochRest:
        """Give the batches from the clock's iteration to the end of its epoch, anew for each epoch."""
        trainer = self.trainer
        assert trainer is not None
        assert isinstance(trainer.lightning_module, GAN)
        device = trainer.strategy.root_device
        pipeline = self._make(device=device, rank=trainer.global_rank, world_size=trainer.world_size)
        return EpochRest(pipeline, trainer.lightning_module)


class EpochRest:
    """What is left of the epoch in which the clock stands. It has no length, for the first may be cut short."""

    def __init__(self, pipeline: Pipeline, gan: GAN) -> None:
        self.pipeline = pipeline
        self.gan = gan

    def __iter__(self) -> Iterator[Batch]:
        """Start where the clock stands."""
        return self.pipeline.from_iteration(self.gan.clock.iterations)
