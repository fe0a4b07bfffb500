"""Running experiments from tests: in this process, or in a child that can be killed."""

import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from gan_experiments.config.compose import composition
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.runs.launch import Launch, plan_launch
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue

TINY = [
    "batch_size=16",
    "budget.epochs=null",
    "budget.kimg=0.32",
    "log_every_iterations=3",
    "sample_every_kimg=null",
    "checkpoint_every_kimg=0.064",
    "model.generator.base_width=4",
    "model.discriminator.base_width=4",
    "evaluation=none",
    "trainer=cpu",
    "report=false",
]
"""Twenty iterations of the digits example with networks of a few hundred parameters, a checkpoint every fourth.

Nothing is measured and no report is written, which would take longer than the rest.
"""


def values_of(directory: Path) -> dict[str, MetricValue]:
    """Return a run's newest values by key, whatever their protocol."""
    return {key: value for (key, _), value in Run.read(directory).measured().items()}


def composed(*overrides: str) -> tuple[DictConfig, dict[str, Any]]:
    """Compose the root config as the command line does; give it and the group choices."""
    made = composition(*overrides)
    return made.config, made.choices


def option(group: str, name: str) -> DictConfig:
    """Return what an option of a group composes to by itself."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config: DictConfig = hydra.compose(overrides=[f"+{group}={name}"])
    return config


def planned(directory: Path, *overrides: str) -> Launch:
    """Compose and check, without torch."""
    cfg, choices = composed(*overrides)
    return plan_launch(cfg, directory, overrides, choices)


def launch(directory: Path, *overrides: str) -> dict[str, Any]:
    """Run in this process; gives the results."""
    from gan_experiments.training import run

    return run(planned(directory, *overrides))


def launch_in_child(directory: Path, *overrides: str) -> BaseProcess:
    """Run in a child process that has torch loaded already (a fork of a server that has)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gan_experiments.training", "launching"])
    process = context.Process(target=_child, args=(directory, overrides))
    process.start()
    return process


def _child(directory: Path, overrides: tuple[str, ...]) -> None:
    os.environ.pop("WANDB_SERVICE", None)  # that of this test process would outlive the child, and hold its run
    launch(directory, *overrides)


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    """Wait for a condition, looking every few milliseconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def command(*arguments: str, cwd: Path, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m gan_experiments` as a user does."""
    env = {key: value for key, value in os.environ.items() if key != "GAN_EXPERIMENTS_DATA"} | environment
    return subprocess.run(
        [sys.executable, "-m", "gan_experiments", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
