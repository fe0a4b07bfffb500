"""Pictures during training: a grid of fixed latents at an interval, real images beside it once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from gan_experiments.data.order import stream_seed
from gan_experiments.evaluation.pixels import save_grid, to_uint8
from gan_experiments.training.gan import GAN, evaluating
from gan_experiments.types import ImageSet

SHOWN_CLASSES = 10
SHOWN_SIDE = 10


class Samples(Callback):
    """Saves a grid of the same latents every `every_kimg` thousand images and at the end.

    Conditional generators are shown by class: a row (or a column) for each of the first ten classes, as are the real
    images. Latents and the choice of real images come from their own random stream, so pictures change nothing.
    """

    def __init__(
        self,
        *,
        directory: Path,
        every_kimg: float | None,
        real: ImageSet,
        num_classes: int,
        conditional: bool,
        by_class: Literal["rows", "columns"],
        value_range: Sequence[float],
        latent_dim: int,
        seed: int,
    ) -> None:
        self.directory = directory
        self.every_kimg = every_kimg
        self.value_range = value_range
        self.conditional = conditional
        rows = min(num_classes, SHOWN_CLASSES) if conditional else SHOWN_SIDE
        self.columns = rows if conditional and by_class == "columns" else SHOWN_SIDE
        labels = (
            torch.arange(rows).repeat_interleave(SHOWN_SIDE) if conditional else torch.zeros(rows * SHOWN_SIDE).long()
        )
        stream = torch.Generator().manual_seed(stream_seed("samples", seed))
        latents = torch.randn(len(labels), latent_dim, generator=stream)
        picked = _pick(real.labels, labels if conditional else None, len(labels), stream)
        if conditional and by_class == "columns":
            order = torch.arange(len(labels)).view(rows, SHOWN_SIDE).T.flatten()
            labels, latents, picked = labels[order], latents[order], picked[order]
        self.labels, self.latents = labels, latents
        self.real = real
        self.picked = picked
        self.share_clipped = 0.0
        self._saved = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show real images, and the generator as it starts."""
        assert isinstance(pl_module, GAN)
        if trainer.is_global_zero:
            self.directory.mkdir(exist_ok=True)
            path = self.directory / "real.png"
            save_grid(self.real.read(self.picked), self.columns, path)
            if pl_module.clock.iterations == 0:
                self._hand_over(trainer, "real", path, 0.0)
                if self.every_kimg is not None:
                    self.save(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Save a grid when one is due."""
        assert isinstance(pl_module, GAN)
        due = self.every_kimg is not None and pl_module.clock.passed(self.every_kimg, pl_module.batch_size)
        if due and trainer.is_global_zero:
            self.save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last grid."""
        assert isinstance(pl_module, GAN)
        if trainer.is_global_zero and self._saved != pl_module.clock.iterations:
            self.save(trainer, pl_module)

    def save(self, trainer: pl.Trainer, gan: GAN) -> None:
        """Save a grid named by kimg and hand it to the loggers that take pictures."""
        pixels, self.share_clipped = to_uint8(sample(gan, self.latents, self.labels), self.value_range)
        path = self.directory / f"kimg_{gan.clock.kimg:010.3f}.png"
        save_grid(pixels, self.columns, path)
        self._saved = gan.clock.iterations
        self._hand_over(trainer, "samples", path, gan.clock.kimg)

    def _hand_over(self, trainer: pl.Trainer, key: str, path: Path, kimg: float) -> None:
        for logger in trainer.loggers:
            if hasattr(logger, "log_grid"):
                logger.log_grid(key, path, kimg)


def sample(gan: GAN, latents: Tensor, labels: Tensor, batch_size: int = 100) -> Tensor:
    """Generate one image for each latent with the generator that is shown, without a trace in training."""
    generator = gan.sampler
    with evaluating(generator), torch.autocast(gan.device.type, enabled=False):
        parts = [
            generator(
                latents[start : start + batch_size].to(gan.device), labels[start : start + batch_size].to(gan.device)
            )
            for start in range(0, len(latents), batch_size)
        ]
    return torch.cat(parts)


def _pick(labels: Tensor, wanted: Tensor | None, count: int, stream: torch.Generator) -> Tensor:
    """Choose images at random: one of each wanted class in turn, or any; fewer images than places repeat."""
    if wanted is None:
        order = torch.randperm(len(labels), generator=stream)
        return order.repeat(-(-count // len(order)))[:count]
    places = torch.zeros(count, dtype=torch.int64)
    for label in range(int(wanted.max()) + 1):
        own = (labels == label).nonzero().flatten()
        own = own if len(own) else torch.arange(len(labels))
        own = own[torch.randperm(len(own), generator=stream)]
        mask = wanted == label
        places[mask] = own.repeat(-(-int(mask.sum()) // len(own)))[: int(mask.sum())]
    return places
