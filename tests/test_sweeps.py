"""Sweeps in one command: every loss, every schedule, and one in which a job cannot work."""

import json
from pathlib import Path
from typing import Any

import pytest
from launching import TINY, command

from gan_experiments.config import CONFIG_DIR

SMALL = [*TINY, "batch_size=100", "budget.kimg=3.0", "checkpoint_every_kimg=3"]
"""Two epochs of fifteen iterations, so that schedules by epochs have a turn for each network."""


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIG_DIR / group).glob("*.yaml"))


def read(directory: Path, file: str) -> list[dict[str, Any]]:
    """Read a file of each job, in their order."""
    paths = directory.glob(f"*/{file}")
    return [json.loads(path.read_text()) for path in sorted(paths, key=lambda path: int(path.parent.name))]


@pytest.mark.slow
@pytest.mark.parametrize("group", ["loss", "schedule"])
def test_every_option_runs_to_the_end_in_one_command(group: str, tmp_path: Path) -> None:
    names = options(group)
    sweep = [f"{group}={','.join(names)}", f"hydra.sweep.dir={tmp_path / 'sweep'}"]

    result = command("-m", *sweep, *SMALL, cwd=tmp_path, timeout=600, OMP_NUM_THREADS="1")

    assert result.returncode == 0, result.stderr
    found = read(tmp_path / "sweep", "manifest.json")
    assert [manifest["choices"][group] for manifest in found] == names
    assert {manifest["status"] for manifest in found} == {"finished"}
    for results in read(tmp_path / "sweep", "results.json"):
        assert results["discriminator_steps"] > 0
        assert results["generator_steps"] > 0


@pytest.mark.slow
def test_a_job_that_cannot_work_is_told_and_the_others_run(tmp_path: Path) -> None:
    sweep = ["loss=hinge,acgan,wgan_gp", "model=dcgan", f"hydra.sweep.dir={tmp_path / 'sweep'}"]

    result = command("-m", *sweep, *SMALL, cwd=tmp_path, OMP_NUM_THREADS="1")

    assert result.returncode == 2
    assert "loss.auxiliary_class needs model.class_head" in result.stderr
    assert "loss=acgan" in result.stderr
    assert "Traceback" not in result.stderr
    assert [manifest["choices"]["loss"] for manifest in read(tmp_path / "sweep", "manifest.json")] == [
        "hinge",
        "wgan_gp",
    ]
    assert not (tmp_path / "sweep" / "1").exists()
