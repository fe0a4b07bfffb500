"""What a sweep keeps in files: its session, and how each job stands. Jobs may run in other processes, or elsewhere."""

import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from gan_experiments.io import write_json
from gan_experiments.runs.run import SWEEP_FILE
from gan_experiments.types import UserError

JOBS = "jobs"


@dataclass(frozen=True)
class Session:
    """One execution of a sweep's command, known to its jobs by `sweep.json`."""

    identity: str
    overrides: list[str]  # the sweep's, as typed
    stopped: bool = False  # jobs that have not begun do not begin
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    @classmethod
    def new(cls, overrides: Sequence[str]) -> Self:
        """Begin a session in this process."""
        return cls(secrets.token_hex(4), list(overrides))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the session that a sweep's directory is in.

        Raises:
            UserError: it is in none, so no end of the sweep would be told.
        """
        try:
            content = json.loads((directory / SWEEP_FILE).read_text(encoding="utf-8"))
            return cls(**content)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{directory} holds no {SWEEP_FILE} that can be read: start the sweep with -m, or with +sweep=NAME."
            ) from error

    def write(self, directory: Path) -> None:
        """Make it known to the jobs."""
        write_json(directory / SWEEP_FILE, asdict(self))

    @property
    def is_parent(self) -> bool:
        """Return whether this process was started by the one that the sweep was started in."""
        return (self.host, self.pid) == (socket.gethostname(), os.getppid())

    @property
    def is_here(self) -> bool:
        """Return whether this process is the one that the sweep was started in."""
        return (self.host, self.pid) == (socket.gethostname(), os.getpid())


@dataclass
class Job:
    """How one job of a sweep stands."""

    name: str  # of its run directory, or what it would have been
    overrides: list[str]
    varying: dict[str, str]  # those of the overrides that are not the same for the whole sweep
    number: int  # in the order of the sweep
    session: str  # that has seen it last
    state: Literal["running", "finished", "failed", "interrupted"] = "running"
    identity: str | None = None  # None: its config could not be made out
    run: str | None = None  # directory, relative to the sweep's
    error: str | None = None  # one sentence
    is_mistake: bool = False  # it was refused before it began
    traceback: str | None = None
    objective: float | None = None  # None: nothing was measured
    measure: dict[str, Any] | None = None  # of the objective: key, protocol, which way is better
    seconds: float = 0.0  # trained, over all sessions of the run
    is_older: bool = False  # finished before this session
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    def write(self, directory: Path) -> None:
        """Write it to its file below a sweep's directory, whole or not at all."""
        (directory / JOBS).mkdir(exist_ok=True)
        write_json(directory / JOBS / f"{self.name}.json", asdict(self))


def read_jobs(directory: Path, session: str) -> list[Job]:
    """Read the jobs that a session has seen, in their order; what cannot be read is left out."""
    found = []
    known = {entry.name for entry in fields(Job)}
    for path in (directory / JOBS).glob("*.json"):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            job = Job(**{key: value for key, value in content.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            continue
        if job.session == session:
            found.append(job)
    return sorted(found, key=lambda job: job.number)
