"""What is left behind when a loss is no longer a number."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.record import DivergenceError, Record
from gan_experiments.tracking.files import write_atomically
from gan_experiments.training.exact_state import collect
from gan_experiments.training.gan import GAN


class DivergenceReport(Callback):
    """Saves the broken state beside the good checkpoints, as diverged.pt, and says what is broken."""

    def __init__(self, directory: Path, record: Record) -> None:
        self.directory = directory
        self.record = record

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Look into the networks while they are there."""
        if not isinstance(exception, DivergenceError) or not isinstance(pl_module, GAN):
            return
        exception.args = (f"{exception} {_describe(pl_module, self.record.previous)}",)
        if trainer.is_global_zero:
            state = collect(pl_module)
            with contextlib.suppress(OSError):  # the diagnosis matters more than the disk
                self.directory.mkdir(exist_ok=True)
                write_atomically(self.directory / "diverged.pt", lambda file: torch.save(state, file))


def _describe(gan: GAN, last_good: dict[str, Any]) -> str:
    parts = []
    for name in ("discriminator", "generator"):
        network = getattr(gan, name)
        broken = [key for key, value in network.named_parameters() if not torch.isfinite(value).all()]
        total = len(list(network.parameters()))
        if broken:
            parts.append(f"In the {name} {len(broken)} of {total} weight tensors are not finite, first {broken[0]}.")
        else:
            largest = max(float(value.detach().abs().max()) for value in network.parameters())
            parts.append(f"The {name}'s weights are finite, the largest {largest:.3g}.")
    losses = {key: value for key, value in last_good.items() if key.endswith("/loss")}
    if losses:
        values = ", ".join(f"{key} {value:.4g}" for key, value in losses.items())
        parts.append(f"The last finite row, iteration {last_good['iteration']}, had {values}.")
    parts.append(
        "Lower the learning rates, clip gradients (optimizer.gradient_clip.discriminator=1, say), or add a penalty "
        "(+loss/term=r1) in a new run; or go on from the last good checkpoint with allow_changes=[optimizer] and a "
        "lower optimizer.discriminator.lr and optimizer.generator.lr."
    )
    return " ".join(parts)
