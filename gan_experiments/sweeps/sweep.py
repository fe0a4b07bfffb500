"""A sweep from beginning to end, in the process of its command: signals, the final report, the exit code."""

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import psutil

from gan_experiments.config.errors import COMPOSITION_ERRORS, explain
from gan_experiments.formatting import say
from gan_experiments.runs.run import SWEEP_FILE, Run, locked
from gan_experiments.sweeps.directories import Sweep
from gan_experiments.sweeps.state import JOBS, Job, SweepSession, read_jobs, start_session
from gan_experiments.sweeps.table import print_jobs, ranked
from gan_experiments.types import RunFailedError, UserError

LAUNCHERS = ("joblib", "submitit", "concurrent")
"""Packages whose errors mean that the process of a job is gone."""


def run_sweep(sweep: Sweep, launch: Callable[[], None]) -> int:
    """Run a sweep and rank its jobs, however it ends; return the exit code.

    0: all jobs are finished; 1: some are not; 2: all were refused before they began; 128 + the number of a signal.

    Args:
        sweep: the directory and the overrides.
        launch: lets Hydra run the jobs.

    Raises:
        UserError: another process runs the sweep.
        RunFailedError: why it ended early, where jobs had been run.
        Exception: what `launch` raises before that.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # used by Optuna; it logs its own setup
    directory = sweep.directory
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        handler = _SignalHandler(directory, start_session(directory, sweep.overrides))
        error: Exception | None = None
        try:
            with handler.installed():
                launch()
        except KeyboardInterrupt:
            handler.exit_code = 128 + signal.SIGINT
        except SystemExit as stop:
            handler.exit_code = stop.code if isinstance(stop.code, int) else 1
        except Exception as raised:
            error = raised
        jobs = _mark_lost_jobs(directory, read_jobs(directory, handler.session.identity))
        code = _exit_code(jobs) if handler.exit_code is None else handler.exit_code
        if jobs:
            _report(jobs, directory, code)
        _clean_up(directory, jobs if code == 2 else [])
    if error is not None and handler.exit_code is None:
        raise _explained(error, jobs) from error
    return code


class _SignalHandler:
    """Stops a sweep on SIGINT or SIGTERM: jobs in other processes save first, as does a run that trains in this one."""

    def __init__(self, directory: Path, session: SweepSession) -> None:
        self.directory = directory
        self.session = session
        self.exit_code: int | None = None  # set by a signal, and by whatever else ends the sweep

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle both signals, and restore their handlers at the end."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_second = self.exit_code is not None
        self.exit_code = 128 + number
        self.session.stop(self.directory)
        workers = [] if is_second else self._workers()
        if not workers:
            raise SystemExit(self.exit_code)
        for worker in workers:  # a terminal has sent it to them too; they take both for one
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)
        say("Stopping: running jobs save first, no others begin. A second signal stops at once.")

    def _workers(self) -> set[int]:
        jobs = read_jobs(self.directory, self.session.identity)
        running = {job.pid for job in jobs if job.state == "running" and job.host == self.session.host}
        return running & {process.pid for process in psutil.Process().children(recursive=True)}


def _mark_lost_jobs(directory: Path, jobs: list[Job]) -> list[Job]:
    """Mark the jobs whose process ended without writing their state."""
    for job in jobs:
        if job.state == "running" and Run.read(directory / str(job.run)).state != "running":
            job.state = "interrupted"
            job.error = "its process has ended without a message: was it killed, or out of memory?"
            job.write(directory)
    return jobs


def _exit_code(jobs: Sequence[Job]) -> int:
    if all(job.state == "finished" for job in jobs):
        return 0
    return 2 if all(job.refused for job in jobs) else 1


def _report(jobs: Sequence[Job], directory: Path, code: int) -> None:
    print_jobs(jobs, directory)
    if code > 128:
        say("Stopped; the same command goes on from here.")
        return
    from gan_experiments.reports.comparison import write_comparison  # charts and pictures take a moment to import

    directories = [directory / job.run for job in ranked(jobs) if job.run is not None]
    runs = [Run.read(path) for path in directories if path.is_dir()]
    target = directory / "comparison.html"
    if runs:
        try:
            write_comparison(runs, target, directory.name)
            say(f"Side by side: {target}")
        except Exception as error:  # such as a full disk: the runs are there all the same
            say(f"{target} could not be written: {error}")
    if code:
        say("The same command tries again what did not finish.")


def _clean_up(directory: Path, refused: Sequence[Job]) -> None:
    """Leave no files of a sweep in which no job began."""
    for job in refused:
        (directory / JOBS / f"{job.name}.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there are jobs of other sessions
        (directory / JOBS).rmdir()
    if not (directory / JOBS).exists():
        for name in (SWEEP_FILE, "multirun.yaml"):
            (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / ".submitit", ignore_errors=True)


def _explained(error: Exception, jobs: Sequence[Job]) -> Exception:
    """Return the error to be raised for one that has ended a sweep early."""
    if type(error).__module__.partition(".")[0] in LAUNCHERS:
        reason = str(error).strip().partition("\n")[0]
        return RunFailedError(
            f"a process ended before its job did ({reason}), and the sweep with it. The same command goes on."
        )
    if "No trials are completed yet" in str(error):
        return RunFailedError("no trial gave a value, so Optuna has no best one.")
    if jobs and isinstance(error, (UserError, *COMPOSITION_ERRORS)):
        return RunFailedError(str(error) if isinstance(error, UserError) else explain(error))
    return error
