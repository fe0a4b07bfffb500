"""A sweep from beginning to end, in the process of its command: signals, what is said at the end, the exit code."""

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from gan_experiments.config.errors import COMPOSITION_ERRORS, explain
from gan_experiments.formatting import say
from gan_experiments.runs.run import SWEEP_FILE, Run, locked
from gan_experiments.sweeps.place import Sweep
from gan_experiments.sweeps.state import JOBS, Job, Session, read_jobs
from gan_experiments.sweeps.table import print_jobs, ranked
from gan_experiments.types import RunFailedError, UserError

logging.getLogger("alembic").setLevel(logging.WARNING)  # which Optuna imports: it says how it is made
LAUNCHERS = ("joblib", "submitit", "concurrent")
"""Where errors come from when a job's process is gone."""


def conduct(sweep: Sweep, launch: Callable[[], None]) -> int:
    """Run a sweep and rank what came out, however it ends; gives the exit code.

    0: all jobs are finished; 1: some are not; 2: all were refused before they began; 128 + the number of a signal.

    Args:
        sweep: which one.
        launch: lets Hydra do its jobs.

    Raises:
        UserError: another process is at the sweep.
        RunFailedError: what ended it before its time, where jobs had been done.
        Exception: what `launch` raises before that.
    """
    sweep.directory.mkdir(parents=True, exist_ok=True)
    with locked(sweep.directory):
        stop = _Stop(sweep.directory, Session.new(sweep.overrides))
        error: Exception | None = None
        try:
            with stop.listening():
                launch()
        except KeyboardInterrupt:
            stop.code = 128 + signal.SIGINT
        except SystemExit as left:
            stop.code = left.code if isinstance(left.code, int) else 1
        except Exception as raised:
            error = raised
        jobs = _settle(sweep.directory, stop.session)
        code = _exit_code(jobs) if stop.code is None else stop.code
        if jobs:
            _report(jobs, sweep.directory, code)
        _tidy(sweep.directory, jobs if code == 2 else [])
    if error is not None and stop.code is None:
        raise _explained(error, jobs) from error
    return code


class _Stop:
    """What is done on SIGINT and SIGTERM while jobs run in other processes; in this one, a run that trains saves."""

    def __init__(self, directory: Path, session: Session) -> None:
        self.directory = directory
        self.session = session
        self.code: int | None = None  # exit code, once it was asked to stop
        session.write(directory)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take both signals, and give them back."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_asked_twice = self.code is not None
        self.code = 128 + number
        self.session = replace(self.session, stopped=True)
        self.session.write(self.directory)
        workers = [] if is_asked_twice else self._workers()
        if not workers:
            raise SystemExit(self.code)
        for worker in workers:  # a terminal has told them too; they take both for one
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)
        say("Stopping: running jobs save first, no others begin. Once more, and it leaves at once.")

    def _workers(self) -> list[int]:
        jobs = read_jobs(self.directory, self.session.identity)
        running = {job.pid for job in jobs if job.state == "running" and job.host == self.session.host}
        return [pid for pid in running if _descends(pid, os.getpid())]


def _descends(pid: int, ancestor: int) -> bool:
    """Return whether a process was started by another or by one of its."""
    while pid > 1:
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        pid = int(status.rpartition(")")[2].split()[1])  # its parent; the name before may hold anything
        if pid == ancestor:
            return True
    return False


def _settle(directory: Path, session: Session) -> list[Job]:
    """Read the session's jobs, and say of those whose process is gone that it is."""
    jobs = read_jobs(directory, session.identity)
    for job in jobs:
        if job.state == "running" and Run.read(directory / str(job.run)).state != "running":
            job.state = "interrupted"
            job.error = "its process has ended without a word: killed, or out of memory?"
            job.write(directory)
    return jobs


def _exit_code(jobs: Sequence[Job]) -> int:
    if all(job.state == "finished" for job in jobs):
        return 0
    return 2 if all(job.is_mistake for job in jobs) else 1


def _report(jobs: Sequence[Job], directory: Path, code: int) -> None:
    print_jobs(jobs, directory)
    if code > 128:
        say("Stopped; the same command goes on from here.")
        return
    from gan_experiments.reports.comparison import write_comparison  # charts and pictures take a moment to import

    runs = [directory / job.run for job in ranked(jobs) if job.run is not None]
    records = [Run.read(run) for run in runs if run.is_dir()]
    target = directory / "comparison.html"
    if records:
        try:
            write_comparison(records, target, directory.name)
            say(f"Side by side: {target}")
        except Exception as error:  # a full disk, say: what has been trained is there all the same
            say(f"{target} could not be written: {error}")
    if code:
        say("The same command tries anew what did not finish.")


def _tidy(directory: Path, refused: Sequence[Job]) -> None:
    """Leave nothing of a sweep in which nothing was done."""
    for job in refused:
        (directory / JOBS / f"{job.name}.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there are jobs of other sessions
        (directory / JOBS).rmdir()
    if not (directory / JOBS).exists():
        for name in (SWEEP_FILE, "multirun.yaml"):
            (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / ".submitit", ignore_errors=True)


def _explained(error: Exception, jobs: Sequence[Job]) -> Exception:
    """Return what an error means that has ended a sweep in the middle."""
    if type(error).__module__.partition(".")[0] in LAUNCHERS:
        reason = str(error).strip().partition("\n")[0]
        return RunFailedError(
            f"a process ended before its job did ({reason}), and the sweep with it. The same command goes on."
        )
    if "No trials are completed yet" in str(error):
        return RunFailedError("no trial gave a value, so Optuna can name no best one.")
    if jobs and isinstance(error, (UserError, *COMPOSITION_ERRORS)):
        return RunFailedError(str(error) if isinstance(error, UserError) else explain(error))
    return error
