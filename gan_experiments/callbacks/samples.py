"""Pictures during training: a grid of fixed latents at an interval, real images beside it once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.engine.gan import GAN
from gan_experiments.loggers.base import run_loggers
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.images import Samples, save_grid
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import ImageSet

SHOWN_CLASSES = 10
SHOWN_SIDE = 10
SHOWN_SIDE_OF_LARGE = 4  # of images of more than 128×128 pixels, whose grid would be huge and slow to make


@dataclass(eq=False, repr=False, kw_only=True)
class SampleGrids(Callback):
    """Saves a grid of the same latents every `every_kimg` thousand images and at the end.

    Conditional generators are shown by class: a row (or a column) for each of the first ten classes that are trained
    on, as are the real images. Latents and the choice of real images come from their own random stream, so pictures
    change nothing.
    """

    gan: GAN
    directory: Path
    every_kimg: float | None
    real: ImageSet
    conditional: bool
    by_class: Literal["rows", "columns"]
    value_range: Sequence[float]
    seed: int
    newest: Samples | None = field(default=None, init=False)
    _saved: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        large = self.real.read(torch.tensor([0])).shape[-1] > 128
        side = SHOWN_SIDE_OF_LARGE if large else SHOWN_SIDE
        shown = torch.zeros(side, dtype=torch.int64)
        if self.conditional:
            shown = torch.unique(self.real.labels)[:SHOWN_CLASSES]
        stream = torch.Generator().manual_seed(stream_seed("samples", self.seed))
        labels = shown.repeat_interleave(side)
        latents = self.gan.latents.sample(len(labels), stream)
        # Of each class shown (or of all) in a random order; fewer images than places repeat.
        order = torch.randperm(len(self.real), generator=stream)
        groups = [order[self.real.labels[order] == label] for label in shown] if self.conditional else [order]
        positions = torch.arange(len(labels) // len(groups))
        picked = torch.cat([group[positions % len(group)] for group in groups])
        in_columns = self.conditional and self.by_class == "columns"
        self.columns = len(shown) if in_columns else side
        turned = torch.arange(len(labels))
        if in_columns:
            turned = turned.view(len(shown), side).T.flatten()
        self.labels, self.latents, self.picked = labels[turned], latents[turned], picked[turned]

    @property
    def share_clipped(self) -> float:
        """The share of the newest grid's values that lay outside the value range."""
        return self.newest.share_clipped if self.newest else 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.directory.mkdir(exist_ok=True)
            path = self.directory / "real.png"
            save_grid(self.real.read(self.picked), self.columns, path)
            if self.gan.clock.iterations == 0:
                self._hand_over(trainer, "real", path, 0.0)
                if self.every_kimg is not None:
                    self.save(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        due = self.every_kimg is not None and self.gan.clock.passed(self.every_kimg, self.gan.batch_size)
        if due and trainer.is_global_zero:
            self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self._saved != self.gan.clock.iterations:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        kimg = self.gan.clock.kimg
        self.newest = Sampler(self.gan.sampler, value_range=self.value_range)(self.latents, self.labels).cpu()
        path = self.directory / f"kimg_{kimg:010.3f}.png"
        self.newest.save_grid(path, self.columns)
        self._saved = self.gan.clock.iterations
        self._hand_over(trainer, "samples", path, kimg)

    def _hand_over(self, trainer: pl.Trainer, key: str, path: Path, kimg: float) -> None:
        for logger in run_loggers(trainer.loggers):
            logger.log_grid(key, path, kimg)
