"""Sweeps as a user starts them: every launcher, interruptions, failures, memory."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from launching import TINY, command, launch, wait_until
from test_extension import FILES
from test_resume import assert_identical, state_of

from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.io import is_locked
from gan_experiments.runs.run import Run, list_checkpoints

pytestmark = pytest.mark.slow  # real processes, one after the other

SMALL = [*TINY, "batch_size=100", "budget.kimg=3.0", "checkpoint_every_kimg=3"]
"""Two epochs of fifteen iterations, so that schedules by epochs have a turn for each network."""
MEASURED = [
    "evaluation=standard",
    "evaluation/metric=[fid]",
    "evaluation.num_samples=200",
    "evaluation.every_kimg=0.16",
]
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def read_jobs(sweep: Path) -> list[dict[str, Any]]:
    """Read how each job stands, in the order of the sweep."""
    found = [json.loads(path.read_text()) for path in (sweep / "jobs").glob("*.json")]
    return sorted(found, key=lambda job: int(job["number"]))


def times(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start `python -m gan_experiments` and go on."""
    words = [sys.executable, "-m", "gan_experiments", *arguments]
    return subprocess.Popen(words, cwd=cwd, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("group", ["loss", "schedule"])
def test_every_option_runs_to_the_end_in_one_command(group: str, tmp_path: Path) -> None:
    names = sorted(path.stem for path in (CONFIG_DIR / group).glob("*.yaml"))
    sweep = tmp_path / "sweep"

    result = command(
        "-m", f"{group}={','.join(names)}", "hydra.sweep.dir=sweep", *SMALL, cwd=tmp_path, timeout=1200, **ONE_THREAD
    )

    assert result.returncode == 0, result.stderr
    jobs = read_jobs(sweep)
    assert [job["varying"] for job in jobs] == [{group: name} for name in names]
    for job in jobs:
        assert Run.read(sweep / job["run"]).manifest.status == "finished"
        results = json.loads((sweep / job["run"] / "results.json").read_text())
        assert results["discriminator_steps"] > 0
        assert results["generator_steps"] > 0
    assert (sweep / "comparison.html").exists()


def test_a_job_that_fails_is_told_and_the_others_are_whole(tmp_path: Path) -> None:
    """One cannot work with its model, one diverges; 2 is the exit code where nothing could be run at all."""
    words = ["loss=hinge,acgan,wgan_gp", "optimizer.generator.lr=1e-4,1e30", "model=dcgan"]

    result = command("-m", *words, "hydra.sweep.dir=sweep", *SMALL, cwd=tmp_path, timeout=600, **ONE_THREAD)

    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    jobs = read_jobs(tmp_path / "sweep")
    expected = [("finished", "failed"), ("failed", "failed"), ("finished", "failed")]
    assert [job["state"] for job in jobs] == [state for pair in expected for state in pair]
    assert all("loss.auxiliary_class needs model.class_head" in job["error"] for job in jobs[2:4])
    assert all("became nan" in jobs[index]["error"] for index in (1, 5))
    assert result.stdout.count("loss.auxiliary_class needs model.class_head") >= 2
    for job in (jobs[0], jobs[4]):
        assert Run.read(tmp_path / "sweep" / job["run"]).manifest.status == "finished"

    refused = command("-m", "loss=acgan", "model=dcgan", "seed=0,1", *SMALL, cwd=tmp_path, timeout=600)
    assert refused.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_an_interrupted_sweep_goes_on_where_it_stopped(launcher: str, tmp_path: Path) -> None:
    budget = ["budget.kimg=3.2", "checkpoint_every_kimg=100", "log_every_iterations=3"]
    own = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"] if launcher == "joblib" else []
    words = ["-m", "seed=0,1,2", *own, *TINY, *budget]
    process = start(*words, cwd=tmp_path)
    wait_until(lambda: list(tmp_path.glob("outputs/sweeps/*/seed-1-*/metrics.csv")) or process.poll() is not None, 300)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "the same command goes on" in output
    (sweep,) = tmp_path.glob("outputs/sweeps/*")
    first, second = (sweep / job["run"] for job in read_jobs(sweep))
    assert [job["state"] for job in read_jobs(sweep)] == ["finished", "interrupted"]
    assert len(list_checkpoints(second / "checkpoints")) == 1
    before = times(first)

    again = command(*words[1:], "logger=wandb_offline", "-m", cwd=tmp_path, timeout=600, **ONE_THREAD)

    assert again.returncode == 0, again.stderr
    assert [job["state"] for job in read_jobs(sweep)] == ["finished"] * 3
    assert [job["finished_before"] for job in read_jobs(sweep)] == [True, False, False]
    assert times(first) == before
    assert len(Run.read(second).manifest.sessions) == 2
    for seed, job in enumerate(read_jobs(sweep)):
        launch(tmp_path / f"alone-{seed}", *TINY, *budget, f"seed={seed}")
        assert_identical(state_of(sweep / job["run"]), state_of(tmp_path / f"alone-{seed}"))


def test_workers_save_and_stop_when_the_sweep_is_killed(tmp_path: Path) -> None:
    long = ["budget.kimg=3000", "checkpoint_every_kimg=1000", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = start("-m", "seed=0,1", *TINY, *long, cwd=tmp_path)
    wait_until(lambda: len(list(tmp_path.glob("outputs/sweeps/*/seed-*/metrics.csv"))) == 2, 300)
    process.kill()
    process.communicate(timeout=60)

    runs = list(tmp_path.glob("outputs/sweeps/*/seed-*"))
    wait_until(lambda: not any(is_locked(run) for run in runs), 120)
    assert [Run.read(run).manifest.status for run in runs] == ["interrupted"] * 2
    assert all(list_checkpoints(run / "checkpoints") for run in runs)


def write_npz(path: Path) -> None:
    """Write a data set of which no classifier is shipped."""
    stream = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 2048), ("test", 240)):  # few epochs of many batches: it is trained by steps
        arrays[f"{split}_images"] = stream.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(count) % 3
    np.savez(path, **arrays)


def test_two_processes_share_a_fresh_cache(tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz")
    data = ["dataset=npz", "dataset.path=mine.npz", "cache_dir=cache", *MEASURED]
    own = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]

    result = command("-m", "loss=hinge,acgan", "seed=0,1", *own, *TINY, *data, cwd=tmp_path, timeout=600, **ONE_THREAD)

    assert result.returncode == 0, result.stderr
    (sweep,) = tmp_path.glob("outputs/sweeps/*")
    jobs = read_jobs(sweep)
    assert [job["state"] for job in jobs] == ["finished"] * 4
    assert len({job["pid"] for job in jobs}) == 2
    assert len({json.dumps([job["best"]["key"], job["best"]["protocol"]], sort_keys=True) for job in jobs}) == 1
    assert len(list((tmp_path / "cache").glob("*classifier*.safetensors"))) >= 1
    assert not list(tmp_path.rglob("*.partial"))


def test_jobs_of_submitit_find_the_users_own_parts(tmp_path: Path) -> None:
    for path, content in FILES.items():
        (tmp_path / "parts" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "parts" / path).write_text(content.lstrip())
    words = [
        "--config-dir",
        "parts/my_conf",
        "-m",
        "+experiment=mine",
        "code_dirs=[parts]",
        "seed=0,1",
        "batch_size=8,10",
    ]

    result = command(*words, "hydra/launcher=submitit_local", cwd=tmp_path, timeout=900, **ONE_THREAD)

    assert result.returncode == 0, result.stderr
    (sweep,) = tmp_path.glob("outputs/sweeps/*")
    jobs = read_jobs(sweep)
    assert [job["state"] for job in jobs] == ["finished"] * 4
    assert len({job["pid"] for job in jobs}) == 4
    for job in jobs:
        manifest = Run.read(sweep / job["run"]).manifest
        assert manifest.config["code_dirs"] == [str(tmp_path / "parts")]
        assert manifest.config["loss"]["my_loss"]["_target_"] == "my_loss.Hinge"


def test_a_study_of_optuna_goes_on_with_the_trials_it_has(tmp_path: Path) -> None:
    words = ["+sweep=optuna_learning_rates", *TINY, *MEASURED]

    first = command(*words, "hydra.sweeper.n_trials=2", cwd=tmp_path, timeout=600, **ONE_THREAD)
    assert first.returncode == 0, first.stderr
    second = command(*words, "hydra.sweeper.n_trials=6", cwd=tmp_path, timeout=600, **ONE_THREAD)

    assert second.returncode == 0, second.stderr
    (sweep,) = tmp_path.glob("outputs/sweeps/*")
    jobs = read_jobs(sweep)
    assert [job["finished_before"] for job in jobs] == [True] * 2 + [False] * 4
    values = [
        json.loads((sweep / job["run"] / "results.json").read_text())["evaluation"]["best"]["value"] for job in jobs
    ]
    assert [job["best"]["value"] for job in jobs] == values
    best = (sweep / "optimization_results.yaml").read_text()
    assert f"best_value: {min(values)}" in best


def resident(pid: int) -> int:
    """Return a process's resident memory in MiB."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def test_thirty_jobs_in_one_process_leave_its_memory_steady(tmp_path: Path) -> None:
    process = start("-m", "seed=range(30)", *TINY, *MEASURED, "logger=wandb_offline", cwd=tmp_path)
    seen: dict[int, int] = {}
    while process.poll() is None:
        finished = len(list(tmp_path.glob("outputs/sweeps/*/seed-*/results.json")))
        if finished not in seen and process.poll() is None:
            seen[finished] = resident(process.pid)
        try:
            process.communicate(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue

    assert process.returncode == 0
    early, late = (max(seen[count] for count in seen if count in around) for around in (range(8, 13), range(25, 30)))
    assert late - early < 30, f"MiB after so many jobs: {seen}"
