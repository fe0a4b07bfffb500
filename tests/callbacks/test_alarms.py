"""Designed failures of training: each triggers its own alarm, and no other."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from launching import TINY, launch
from sklearn.datasets import load_digits
from torch import Tensor, nn

TRAINING = [key for key in TINY if key != "evaluation=none"]
PLAIN = ["model=dcgan", "loss=non_saturating", "budget.kimg=16", "batch_size=64", "log_every_iterations=10"]
FAST = ["optimizer.discriminator.lr=2e-3", "optimizer.generator.lr=2e-3"]


def alarms(run: Path) -> list[tuple[str, float]]:
    manifest = json.loads((run / "manifest.json").read_text())
    return [(entry["alarm"], entry["kimg"]) for entry in manifest["alarms"]]


@pytest.mark.slow
def test_healthy_training_triggers_none(tmp_path: Path) -> None:
    launch(tmp_path / "run", *TINY, *PLAIN)

    assert alarms(tmp_path / "run") == []


@pytest.mark.slow
def test_a_generator_that_cannot_follow_its_discriminator(tmp_path: Path) -> None:
    weak = ["optimizer.discriminator.lr=5e-3", "optimizer.generator.lr=1e-7", "model.discriminator.base_width=8"]
    launch(tmp_path / "run", *TINY, *PLAIN, *weak, "alarms.overpowering_discriminator.for_kimg=3")

    assert [name for name, _ in alarms(tmp_path / "run")] == ["overpowering_discriminator"]


@pytest.mark.slow
def test_long_turns_in_which_each_network_beats_the_frozen_other(tmp_path: Path) -> None:
    turns = ["schedule=alternate_epochs", "schedule.discriminator=8", "schedule.generator=8", "budget.kimg=24"]
    launch(
        tmp_path / "run",
        *TINY,
        *PLAIN,
        *turns,
        *FAST,
        "task.frozen_batch_norm=running",
        "alarms.mutual_defeat.below=0.1",
        "alarms.mutual_defeat.for_kimg=2",
    )

    assert {name for name, _ in alarms(tmp_path / "run")} == {"mutual_defeat"}


class Collapsing(nn.Module):
    """Shows real digits, and after so many training passes one digit alone."""

    def __init__(self, after: int, **arguments: Any) -> None:
        super().__init__()
        self.known = nn.Parameter(torch.tensor(load_digits().images[:500], dtype=torch.float32)[:, None] / 8 - 1)
        self.after = after
        self.passes: Tensor
        self.register_buffer("passes", torch.tensor(0))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
        which = (latents[:, 0].abs() * 1000).long() % 500
        return self.known[torch.where(self.passes > self.after, 0, which)]


@pytest.mark.slow
def test_a_generator_that_collapses_within_an_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    interval = 2.0
    collapsing = [
        f"model.generator._target_={__name__}.Collapsing",
        "+model.generator.after=80",
        "evaluation.num_samples=300",
        f"evaluation.every_kimg={interval}",
        "evaluation/metric=[class_balance,diversity]",
        "evaluation.best=class_coverage",
        "budget.kimg=8",
    ]
    launch(tmp_path / "run", *TRAINING, *PLAIN, *collapsing)

    kimgs = [kimg for name, kimg in alarms(tmp_path / "run") if name == "mode_collapse"]
    collapsed = 40 * 64 / 1000  # two passes in each iteration
    assert len(kimgs) == 1
    assert collapsed <= kimgs[0] <= collapsed + interval
