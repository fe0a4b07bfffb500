"""Two processes on the CPU train one run."""

import json
from pathlib import Path

import pytest
from launching import TINY, command

from gan_experiments.runs.run import list_checkpoints, load_checkpoint


@pytest.mark.slow
def test_two_processes_share_each_batch_write_one_run_and_resume(tmp_path: Path) -> None:
    measured = ["evaluation.num_samples=300", "evaluation.every_kimg=0.128"]
    measured += ["evaluation/metric=[fid,discriminator_overfitting]", f"cache_dir={tmp_path.parent / 'cache'}"]
    arguments = [*(word for word in TINY if word not in ("evaluation=none", "trainer=cpu")), *measured]
    arguments += ["trainer=ddp", "trainer.accelerator=cpu", "schedule=loss_threshold", "loss=r1"]
    done = command(*arguments, "hydra.run.dir=run", "logger=wandb_offline", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    state = load_checkpoint(list_checkpoints(tmp_path / "run" / "checkpoints")[-1])
    assert state["clock"]["images_seen"] == 320
    first, second = state["callback random"]["processes"]
    assert first["torch"] != second["torch"], "each process has its own noise"
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*"))) == 1
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["evaluation"]["best"]["key"] == "fid/digits_classifier"
    done = command("resume=run", "budget.kimg=0.64", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "results.json").read_text())["kimg"] == 0.64
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "finished"
