"""The same training by this framework, by the path that a command line takes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from workloads import Workload, stopwatch

from gan_experiments.config.compose import composition
from gan_experiments.engine.gan import GAN
from gan_experiments.runs.launch import plan_launch
from gan_experiments.training import run


class TimedGAN(GAN):
    """Ticks the stopwatch when an iteration is over, all callbacks included: Lightning calls this hook last."""

    def on_train_batch_end(self, *args: Any) -> None:
        """Tick."""
        stopwatch.tick()


def train(workload: Workload, data: Path, overrides: Sequence[str]) -> None:
    """Train in a directory that is removed again, until the stopwatch has seen enough."""
    command_line = [
        *workload.overrides,
        "evaluation=none",  # the hand-written loop measures nothing either
        "dataset=npz",
        f"dataset.path={data}",
        f"task._target_={TimedGAN.__module__}.{TimedGAN.__qualname__}",
        "budget.epochs=null",
        f"budget.generator_steps={stopwatch.total}",
        f"trainer={'gpu' if torch.cuda.is_available() else 'cpu'}",
        *overrides,
    ]
    composed = composition(*command_line)
    with tempfile.TemporaryDirectory() as directory:
        run(plan_launch(composed.config, Path(directory) / "run", composed.overrides, composed.choices))
