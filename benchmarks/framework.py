"""The same training by this framework, by the path that a command line takes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import open_dict
from workloads import Workload, stopwatch

from gan_experiments.config.schema import register_schema
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.engine.gan import GAN
from gan_experiments.runs.launch import plan_launch
from gan_experiments.train import run


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
    register_schema()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        cfg = compose("config", command_line, return_hydra_config=True)
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    with tempfile.TemporaryDirectory() as directory:
        run(plan_launch(cfg, Path(directory) / "run", command_line, choices))
