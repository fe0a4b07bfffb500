"""One job of a sweep: what is trained, gone on with or left as it is, and what becomes of an error."""

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import pytest
from launching import launch
from sweeping import composed_job, jobs, pretend, result, session

from gan_experiments.runs.launch import Launch
from gan_experiments.runs.run import Run, locked
from gan_experiments.sweeps.jobs import run_job
from gan_experiments.types import UserError


def refuse(launched: Launch) -> NoReturn:
    raise AssertionError("nothing was to be trained")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    session(tmp_path / "sweep", "seed=0,1")
    return tmp_path / "sweep"


def test_a_job_gives_its_best_value_and_writes_down_how_it_went(sweep: Path) -> None:
    value = run_job(*composed_job(sweep, "seed=1", number=1), pretend(result(12.5, num_samples=100)))

    (job,) = jobs(sweep)
    assert value == job.objective == 12.5
    assert (job.state, job.number, job.varying) == ("finished", 1, {"seed": "1"})
    assert job.name == job.run == f"seed-1-{job.identity}"
    assert job.best is not None
    assert (job.best.key, job.best.spec.higher_is_better) == ("fid/digits_classifier", False)
    assert job.best.protocol == {"num_samples": 100}
    assert Run.read(sweep / job.run).manifest.config["seed"] == 1


def test_a_finished_run_is_left_as_it_is_and_still_gives_its_value(sweep: Path) -> None:
    run_job(*composed_job(sweep, "seed=0"), pretend(result(3.0)))
    words = ["logger=wandb_offline", "sample_every_kimg=7"]
    session(sweep, "seed=0,1", *words)

    assert run_job(*composed_job(sweep, "seed=0", *words), refuse) == 3.0
    (job,) = jobs(sweep)
    assert job.finished_before
    assert job.seconds == 2.5


def test_another_experiment_or_budget_is_another_run(sweep: Path) -> None:
    run_job(*composed_job(sweep, "seed=0"), pretend(result(3.0)))
    changes = ("budget.kimg=0.5", "evaluation=standard", "model.latent_dim=7", "seed=1", "alarms=none")
    for number, change in enumerate(changes, 4):
        session(sweep, "seed=0,1", *([change] if "seed" not in change else []))
        run_job(*composed_job(sweep, "seed=0", change), pretend(result(float(number))))

        assert sorted(job.objective or 0 for job in jobs(sweep)) == [float(value) for value in range(3, number + 1)]
        assert len({job.run for job in jobs(sweep)}) == number - 2


@pytest.mark.parametrize(
    ("error", "message", "refused"),
    [
        (RuntimeError("out of\nmemory"), "RuntimeError: out of memory", False),
        (SystemExit(3), "exit code 3", False),
        (None, "batch_size=99999 is larger than the data set", True),
    ],
)
def test_an_error_is_written_down_and_ends_the_job_alone(
    error: BaseException | None, message: str, refused: bool, sweep: Path
) -> None:
    def train(launched: Launch) -> NoReturn:
        assert error is not None
        raise error

    words = ["seed=0"] if error else ["seed=0", "batch_size=99999"]

    assert run_job(*composed_job(sweep, *words), train) is None
    (job,) = jobs(sweep)
    assert job.state == "failed"
    assert message in str(job.error)
    assert job.refused == refused
    assert (job.traceback is not None) == isinstance(error, RuntimeError)


def test_a_mistake_that_was_mended_leaves_no_trace(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: Any) -> None:
        raise UserError("there is no file")

    with monkeypatch.context() as patch:
        patch.setattr("gan_experiments.sweeps.jobs.plan_launch", missing)
        run_job(*composed_job(sweep, "seed=0"), refuse)
    assert [job.error for job in jobs(sweep)] == ["there is no file"]

    run_job(*composed_job(sweep, "seed=0"), pretend(result(1.0)))

    assert [job.state for job in jobs(sweep)] == ["finished"]


@pytest.mark.parametrize(
    ("overrides", "remedy"),
    [
        (["trainer=ddp"], "trainer.devices=1"),  # several processes would each start the whole sweep again
        (["hydra/sweeper=optuna"], "evaluation.best=null"),
    ],
)
def test_what_cannot_work_in_a_sweep_is_refused_at_once(overrides: list[str], remedy: str, sweep: Path) -> None:
    run_job(*composed_job(sweep, "seed=0", *overrides), refuse)

    (job,) = jobs(sweep)
    assert job.refused
    assert remedy in str(job.error)


def test_optuna_is_not_let_look_for_the_worst(sweep: Path) -> None:
    asked = composed_job(
        sweep, "hydra/sweeper=optuna", "evaluation=standard", "hydra.sweeper.direction=maximize", "seed=0"
    )

    with pytest.raises(UserError, match=r"write hydra\.sweeper\.direction=minimize"):
        run_job(*asked, pretend(result(2.0)))


def test_what_goes_wrong_after_the_beginning_is_no_mistake_of_the_command(sweep: Path) -> None:
    def fail(launched: Launch) -> NoReturn:
        pretend({}, status="failed")(launched)
        raise UserError("a file has vanished")

    run_job(*composed_job(sweep, "seed=0"), fail)
    run_job(*composed_job(sweep, "seed=1", "trainer=ddp", number=1), refuse)

    assert [job.refused for job in jobs(sweep)] == [False, True]


@pytest.mark.parametrize("is_here", [True, False])
def test_an_interruption_ends_the_sweep_where_it_runs_and_the_job_elsewhere(is_here: bool, sweep: Path) -> None:
    if not is_here:
        session(sweep, "seed=0,1", pid=1)

    def stop(launched: Launch) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    if is_here:
        with pytest.raises(SystemExit):
            run_job(*composed_job(sweep, "seed=0"), stop)
    else:
        assert run_job(*composed_job(sweep, "seed=0"), stop) is None
    assert [job.state for job in jobs(sweep)] == ["interrupted"]


def test_sigterm_while_a_job_is_prepared_ends_it(sweep: Path) -> None:
    def terminated(launched: Launch) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGTERM)
        return {}

    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SystemExit):
        run_job(*composed_job(sweep, "seed=0"), terminated)

    assert signal.getsignal(signal.SIGTERM) == before
    assert [job.state for job in jobs(sweep)] == ["interrupted"]


def test_what_submitit_queues_again_is_no_failure(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_FOLDER", "there")

    def leave(launched: Launch) -> NoReturn:
        raise SystemExit(-1)

    with pytest.raises(SystemExit):
        run_job(*composed_job(sweep, "seed=0"), leave)
    assert [job.state for job in jobs(sweep)] == ["interrupted"]


def test_no_job_begins_in_a_sweep_that_was_stopped(sweep: Path) -> None:
    session(sweep, "seed=0,1", stopped=True)

    assert run_job(*composed_job(sweep, "seed=0"), refuse) is None
    assert not jobs(sweep)


@pytest.mark.slow
def test_a_run_that_left_no_checkpoint_is_tried_anew_but_nothing_else_is_removed(sweep: Path) -> None:
    def note(launched: Launch) -> dict[str, Any]:
        assert launched.resumed is None
        return pretend(result(2.0))(launched)

    run_job(*composed_job(sweep, "seed=0"), pretend({}, status="failed"))
    (job,) = jobs(sweep)
    run = sweep / str(job.run)
    (run / "losses.png").touch()

    with locked(run):
        run_job(*composed_job(sweep, "seed=0"), refuse)
    assert "another process is training" in str(jobs(sweep)[0].error)
    assert (run / "losses.png").exists()

    for name in ("mine.txt", "checkpoints/iteration_000000004.pt"):  # the latter cannot be read
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("x")
        run_job(*composed_job(sweep, "seed=0"), refuse)
        assert "cannot be resumed" in str(jobs(sweep)[0].error)
        (run / name).unlink()

    assert run_job(*composed_job(sweep, "seed=0"), note) == 2.0
    assert not (run / "losses.png").exists()

    (run / "manifest.json").write_text('{"config": {}, "status": "failed"}')
    run_job(*composed_job(sweep, "seed=0"), refuse)
    assert "something else than this job's run" in str(jobs(sweep)[0].error)
    (run / "manifest.json").write_text("not ours")
    run_job(*composed_job(sweep, "seed=0"), refuse)
    assert (run / "manifest.json").read_text() == "not ours"


def test_an_unfinished_run_goes_on_from_its_newest_checkpoint(sweep: Path) -> None:
    from gan_experiments.training import run as train

    def halfway(launched: Launch) -> dict[str, Any]:
        results = launch(launched.directory, *launched.overrides, "budget.kimg=0.16")
        manifest = Run.read(launched.directory).manifest
        manifest.status = "running"  # as a kill leaves it
        manifest.config["budget"]["kimg"] = 0.32
        manifest.write(launched.directory)
        return results

    run_job(*composed_job(sweep, "seed=0"), halfway)
    run_job(*composed_job(sweep, "seed=0"), train)

    (job,) = jobs(sweep)
    manifest = Run.read(sweep / str(job.run)).manifest
    assert (job.state, manifest.status) == ("finished", "finished")
    assert [entry.from_iteration for entry in manifest.sessions] == [0, 10]


def test_a_run_that_another_process_trains_is_no_failure(sweep: Path) -> None:
    run_job(*composed_job(sweep, "seed=0"), pretend({}, status="running"))
    run = sweep / str(jobs(sweep)[0].run)

    with locked(run):
        assert run_job(*composed_job(sweep, "seed=0"), refuse) is None
        (job,) = jobs(sweep)
    assert (job.state, job.refused) == ("running", False)
    assert "another process is training" in str(job.error)
