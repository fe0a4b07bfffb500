"""The session and the jobs of a sweep, and the files through which jobs in other processes share them."""

import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import psutil

from gan_experiments.io import write_json
from gan_experiments.runs.run import SWEEP_FILE
from gan_experiments.types import MetricValue, UserError

JOBS = "jobs"


@dataclass
class SweepSession:
    """One execution of a sweep's command."""

    identity: str
    overrides: list[str]  # the sweep's, as typed
    stopped: bool = False  # jobs that have not begun do not begin
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    def write(self, directory: Path) -> None:
        """Write the session for jobs in other processes."""
        write_json(directory / SWEEP_FILE, asdict(self))

    def stop(self, directory: Path) -> None:
        """Let no further job begin."""
        self.stopped = True
        self.write(directory)

    @property
    def is_parent(self) -> bool:
        """Whether this process was started by the sweep's, or by one that the sweep's has started."""
        parents = [parent.pid for parent in psutil.Process().parents()]
        return self.host == socket.gethostname() and self.pid in parents

    @property
    def is_here(self) -> bool:
        """Whether this process is the sweep's."""
        return (self.host, self.pid) == (socket.gethostname(), os.getpid())


_sessions: dict[Path, SweepSession] = {}  # by directory, of the sweeps of this process


def start_session(directory: Path, overrides: Sequence[str]) -> SweepSession:
    """Start a session in this process."""
    session = SweepSession(secrets.token_hex(4), list(overrides))
    session.write(directory)
    _sessions[directory.absolute()] = session
    return session


def find_session(directory: Path) -> SweepSession:
    """Return the session of a sweep's directory: this process's own, or as the file has it at this moment.

    Raises:
        UserError: there is none, so nobody would report how the sweep ended.
    """
    session = _sessions.get(directory.absolute())
    if session is not None and session.is_here:
        return session
    try:
        return SweepSession(**json.loads((directory / SWEEP_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{directory} holds no {SWEEP_FILE} that can be read: start the sweep with -m, or with +sweep=NAME."
        ) from error


@dataclass
class Job:
    """The state of one job of a sweep."""

    name: str  # of its run directory, or what it would have been
    overrides: list[str]
    varying: dict[str, str]  # those of the overrides that are not the same for the whole sweep
    number: int  # in the order of the sweep
    session: str  # the last one with this job
    state: Literal["running", "finished", "failed", "interrupted"] = "running"
    identity: str | None = None  # None: its config could not be composed
    run: str | None = None  # directory, relative to the sweep's
    error: str | None = None  # one sentence
    refused: bool = False  # before it began, for a mistake in its config
    traceback: str | None = None
    best: MetricValue | None = None  # of evaluation.best, during the run; None: nothing was measured
    seconds: float = 0.0  # trained, over all sessions of the run
    finished_before: bool = False  # in an earlier session
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    @property
    def objective(self) -> float | None:
        return None if self.best is None else self.best.value

    def write(self, directory: Path) -> None:
        """Write the job's file below a sweep's directory."""
        (directory / JOBS).mkdir(exist_ok=True)
        best = None if self.best is None else {"key": self.best.key, **self.best.to_json()}
        write_json(directory / JOBS / f"{self.name}.json", {**vars(self), "best": best})


def read_jobs(directory: Path, session: str) -> list[Job]:
    """Read the jobs of a session, in their order; files that cannot be read are left out."""
    names = {entry.name for entry in fields(Job)}
    jobs = []
    for path in (directory / JOBS).glob("*.json"):
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if best := content.get("best"):
                content["best"] = MetricValue.from_json(best["key"], best)
            job = Job(**{key: value for key, value in content.items() if key in names})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if job.session == session:
            jobs.append(job)
    return sorted(jobs, key=lambda job: job.number)
