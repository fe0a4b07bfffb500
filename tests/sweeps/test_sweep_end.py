"""How a sweep ends: exit codes, signals, the ranked table, and nothing left where nothing was done."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sweeping import pretend, result

from gan_experiments.runs.run import locked
from gan_experiments.sweeps.directories import Sweep
from gan_experiments.sweeps.state import Job, find_session, read_jobs
from gan_experiments.sweeps.sweep import run_sweep
from gan_experiments.sweeps.table import print_jobs, ranked
from gan_experiments.types import MetricValue, RunFailedError, UserError

FID = {"higher_is_better": False, "protocol": {"num_samples": 100, "weights": "raw"}}


def job(number: int, objective: float | None = None, key: str = "fid/x", measure: Any = FID, **about: Any) -> Job:
    best = None if objective is None else MetricValue.from_json(key, {"value": objective, **measure})
    settings = {"state": "finished", "best": best, "varying": {"seed": str(number)}}
    return Job(f"job-{number}", overrides=[], number=number, session="now", **(settings | about))


def doing(directory: Path, *jobs: Job) -> Callable[[], None]:
    """Stand in for Hydra: jobs that end as they are given."""

    def launch() -> None:
        session = find_session(directory)
        for done in jobs:
            done.session = session.identity
            done.write(directory)

    return launch


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path / "sweep", ["seed=0,1"], [])


def test_a_sweep_is_ranked_and_its_exit_code_tells_how_it_went(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = job(2, state="failed", error="diverged [red]here[/red]")
    directory = sweep.directory

    assert run_sweep(sweep, doing(directory, job(0, 3.0), job(1, 2.0))) == 0
    assert run_sweep(sweep, doing(directory, job(0, 3.0, finished_before=True), failed)) == 1

    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert lines.index(["2", "0", "3", "finished", "0", "s"]) > lines.index(["1", "1", "2", "finished", "0", "s"])
    assert "job-2: diverged [red]here[/red]" in shown
    assert "1 of 2 jobs were finished before" in shown
    assert "The same command tries again" in shown
    assert max(map(len, shown.splitlines()[:8])) <= 80


def test_a_sweep_in_which_every_job_was_refused_leaves_nothing_but_the_message(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = job(0, state="failed", error="batch_size is too large", refused=True)

    assert run_sweep(sweep, doing(sweep.directory, refused)) == 2
    assert "batch_size is too large" in capsys.readouterr().out
    assert not list(sweep.directory.iterdir())


def test_jobs_with_pages_get_one_side_by_side(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    from launching import composed

    from gan_experiments.runs.launch import Launch

    config, choices = composed("seed=1")
    run = sweep.directory / "seed-1"
    pretend(result(2.0, num_samples=10))(Launch(run, config, [], choices))

    assert run_sweep(sweep, doing(sweep.directory, job(1, 2.0, run="seed-1"), job(2, run="gone"))) == 0
    assert f"Side by side: {sweep.directory / 'comparison.html'}" in capsys.readouterr().out
    assert (sweep.directory / "comparison.html").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_any_job_trains_ends_the_sweep(number: signal.Signals, sweep: Sweep) -> None:
    before = signal.getsignal(number)

    assert run_sweep(sweep, lambda: os.kill(os.getpid(), number)) == 128 + number
    assert signal.getsignal(number) == before
    assert not list(sweep.directory.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_jobs_in_other_processes_and_no_others_begin(number: signal.Signals, sweep: Sweep) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stranger = job(1, state="running", pid=1)
    stopped = []

    def launch() -> None:
        doing(sweep.directory, job(0, state="running", pid=child.pid), stranger)()
        os.kill(os.getpid(), number)
        child.wait(30)
        stopped.append(json.loads((sweep.directory / "sweep.json").read_text())["stopped"])

    assert run_sweep(sweep, launch) == 128 + number
    assert child.returncode == -signal.SIGTERM
    assert stopped == [True]
    ended = read_jobs(sweep.directory, stranger.session)
    assert {entry.state for entry in ended} == {"interrupted"}, "their processes are at no run"


def test_asked_twice_it_leaves_at_once(sweep: Sweep) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def launch() -> None:
        doing(sweep.directory, job(0, state="running", pid=child.pid))()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")

    try:
        assert run_sweep(sweep, launch) == 128 + signal.SIGINT
        assert child.wait(30) == -signal.SIGTERM
    finally:
        child.kill()
        child.wait()


def test_another_process_at_the_sweep_keeps_it(sweep: Sweep) -> None:
    sweep.directory.mkdir()
    with locked(sweep.directory), pytest.raises(UserError, match="another process"):
        run_sweep(sweep, lambda: None)


class WorkerLostError(Exception):
    __module__ = "joblib.externals.loky"


@pytest.mark.parametrize(
    ("error", "shown", "message"),
    [
        (WorkerLostError("terminated\nsee there"), RunFailedError, "a process ended before its job did .terminated."),
        (ValueError("No trials are completed yet."), RunFailedError, "no trial gave a value"),
        (UserError("wrong"), RunFailedError, "wrong"),
        (KeyError("a bug"), KeyError, "a bug"),
    ],
)
def test_what_ends_a_sweep_in_the_middle_comes_after_the_table(
    error: Exception, shown: type[Exception], message: str, sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    def launch() -> None:
        doing(sweep.directory, job(0, 1.5))()
        raise error

    with pytest.raises(shown, match=message):
        run_sweep(sweep, launch)
    assert "1.5" in capsys.readouterr().out


def test_values_by_different_protocols_are_not_ranked_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = FID | {"protocol": {"num_samples": 200, "weights": "raw"}}
    score = {"higher_is_better": True, "protocol": {}}
    jobs = [
        job(0, 5.0, "inception_score/x", score),
        job(1, 6.0, "inception_score/x", score),
        job(2, 0.5, measure=other),
        job(3, 4.0),
        job(4, 3.0),
        job(5, 2.0),
        job(6),
    ]

    assert [entry.number for entry in ranked(jobs)] == [5, 4, 3, 1, 0, 2, 6]
    print_jobs(jobs, tmp_path)
    shown = capsys.readouterr().out
    assert "fid ↓ (1): fid/x, lower is better, at its best during the run; num_samples: 100\n" in shown
    assert "fid ↓ (3): fid/x, lower is better, at its best during the run; num_samples: 200\n" in shown


def test_long_settings_are_folded_and_drawn_numbers_rounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    varying = {"optimizer.generator.lr": "0.00023402828269380524", "notes": "x" * 200}
    print_jobs([job(0, 123456.0, varying=varying, seconds=4000.0)], tmp_path)

    shown = capsys.readouterr().out
    assert "0.000234" in shown
    assert shown.count("x") == 200 + "fid/x".count("x")
    assert "123,456" in shown
    assert "1 h 6 min" in shown
    assert max(map(len, shown.splitlines()[1:])) <= 80
