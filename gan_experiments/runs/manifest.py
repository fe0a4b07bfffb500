"""What a run writes as JSON: its manifest, and what was measured. What is damaged of it is empty. Imports no torch."""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from gan_experiments.io import is_rank_zero, write_json

FILE = "manifest.json"
FORMAT = 2  # 1: version 0.1
LIBRARIES = (
    "gan_experiments", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "torchmetrics",
    "torch-fidelity", "wandb",
)  # fmt: skip


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a number may depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found


def git_state(directory: Path) -> dict[str, Any]:
    """Return the commit of a checkout and whether it has uncommitted changes; empty outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def seconds_since(time: object) -> float | None:
    """Return the seconds since a time as manifests have it; None where it is none."""
    try:
        then = datetime.strptime(str(time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (datetime.now(UTC) - then).total_seconds()


def modified(path: Path) -> float:
    """Return when a file was written; 0 where it has vanished."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def only_mappings(value: object) -> object:
    """Return a list with an empty mapping in place of each entry that is none, and a mapping without such entries."""
    if isinstance(value, dict):
        return {key: entry for key, entry in value.items() if isinstance(entry, dict)}
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else value


Mappings = Annotated[list[dict[str, Any]], BeforeValidator(only_mappings)]


class Lenient(BaseModel):
    """A JSON object: a field of another type than declared takes its default, and unknown fields are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_default(cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return validate(value)
        except ValidationError:
            return cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)


class Evaluation(Lenient):
    """What was measured of one checkpoint, in training or by `gan-experiments evaluate`."""

    iteration: int = -1
    kimg: float | None = None
    values: Annotated[dict[str, dict[str, Any]], BeforeValidator(only_mappings)] = {}
    not_applicable: dict[str, Any] = {}
    best: dict[str, Any] = {}  # in training: by what best.pt was chosen: `key`, `value`, `kimg`, `iteration`

    @property
    def num_samples(self) -> int:
        """How many samples the first value is of; -1 where that is unknown."""
        protocol = next(iter(self.values.values()), {}).get("protocol")
        count = protocol.get("num_samples") if isinstance(protocol, dict) else None
        return count if isinstance(count, int) else -1


class SessionEntry(Lenient):
    """One time that a run trained, from its start or from a checkpoint on."""

    started: str | None = None
    overrides: list[str] = []
    from_iteration: int | None = None
    versions: dict[str, Any] = {}
    git: dict[str, Any] = {}
    device: str | None = None
    ended: str | None = None
    seconds: Annotated[float, Field(allow_inf_nan=False)] | None = None
    status: str | None = None
    to_iteration: int | None = None


class Manifest(Lenient):
    """What is known of a run: how it was made, how it ended, what happened. The truth about it.

    >>> manifest = Manifest.new({"seed": 1}, ["seed=1"], {"loss": "hinge"})
    >>> manifest.begin_session(["seed=1"], iteration=0, device="cpu")
    >>> manifest.update("finished", iteration=20)
    >>> manifest.sessions[0].to_iteration
    20
    """

    format: int = FORMAT
    status: Any = None
    experiment: str | None = None
    command: list[Any] = []
    overrides: list[Any] = []
    choices: dict[str, Any] = {}
    seed: int | None = None
    config: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    git: dict[str, Any] = {}  # of the framework
    user_git: dict[str, Any] = {}  # of the directory in which it was started
    machine: dict[str, Any] = {}
    started: str | None = None
    ended: str | None = None
    error: str | None = None
    parameters: dict[str, Any] = {}  # trainable, by network
    data: dict[str, Any] = {}
    sweep: str | None = None
    tracker_ids: dict[str, str] = {}
    alarms: Mappings = []
    rollbacks: Mappings = []
    sessions: Annotated[list[SessionEntry], BeforeValidator(only_mappings)] = []
    _began: float = PrivateAttr(default_factory=time.perf_counter)

    @classmethod
    def new(cls, config: Mapping[str, Any], overrides: list[str], choices: Mapping[str, Any], **facts: Any) -> Self:
        """Return the manifest of a run that is about to start; `facts` are further fields."""
        return cls(
            status="running",
            experiment=choices.get("experiment"),
            command=[sys.executable, *sys.orig_argv[1:]],
            overrides=overrides,
            choices=dict(choices),
            seed=config["seed"],
            config=dict(config),
            versions=versions(),
            git=git_state(Path(__file__).parent),
            user_git=git_state(Path.cwd()),
            machine={"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
            started=now(),
            **facts,
        )

    def begin_session(self, overrides: list[str], iteration: int, device: str) -> None:
        """Note that training begins, or goes on, at an iteration."""
        self._began = time.perf_counter()
        git = git_state(Path(__file__).parent)
        self.sessions.append(
            SessionEntry(
                started=now(),
                overrides=overrides,
                from_iteration=iteration,
                versions=versions(),
                git=git,
                device=device,
            )
        )

    def update(self, status: str, iteration: int, error: str | None = None) -> None:
        """Note the state of the run and of its newest session."""
        self.status, self.error, self.ended = status, error, now()
        session = self.sessions[-1]
        session.ended, session.status, session.to_iteration = self.ended, status, iteration
        session.seconds = round(time.perf_counter() - self._began, 1)

    def write(self, directory: Path) -> None:
        """Write manifest.json into a run directory, whole or not at all; the first process alone does."""
        if is_rank_zero():
            write_json(directory / FILE, self.model_dump())


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found.group(1) if found else platform.machine()
