"""What run directories hold, whatever state they are in: for tables, pages and sweeps. Imports no torch."""

import contextlib
import fcntl
import glob
import itertools
import json
import math
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gan_experiments.tracking.manifest import FILE
from gan_experiments.tracking.rows import read_rows
from gan_experiments.types import UserError
from gan_experiments.values import Value, read_json, read_value

State = Literal["running", "finished", "failed", "interrupted", "unreadable"]


@dataclass(frozen=True)
class Record:
    """A directory that is, or should be, a run's. What cannot be read is empty, and `problem` says why."""

    directory: Path
    state: State
    problem: str
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """What to call it: the name in its config, or that of its directory and the one above."""
        given = self.config.get("name")
        return str(given) if given else "/".join(self.directory.parts[-2:])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config; empty where unreadable."""
        config = self.manifest.get("config")
        return config if isinstance(config, dict) else {}

    @property
    def choices(self) -> dict[str, Any]:
        """The choice of each config group; empty where unreadable."""
        choices = self.manifest.get("choices")
        return choices if isinstance(choices, dict) else {}

    @property
    def command(self) -> str:
        """The command line that makes such a run, of a job of a sweep its own alone; empty where unreadable."""
        overrides, started = (self.manifest.get(name) for name in ("overrides", "command"))
        if not isinstance(overrides, list):
            return ""
        words = [str(word) for word in started] if isinstance(started, list) else []
        parts = [pair for pair in itertools.pairwise(words) if pair[0] in ("--config-dir", "-cd")]
        own = [str(word) for word in overrides if not str(word).startswith("hydra.")]
        return shlex.join(["python", "-m", "gan_experiments", *itertools.chain(*parts), *own])

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What `differing_keys` names: values by dotted key, and choices by group."""
        return flat(self.config) | self.choices

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of results.json; empty where there is none."""
        return read_json(self.directory / "results.json")

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        """The rows of metrics.csv, as far as they can be read."""
        return self._table[0]

    @cached_property
    def _table(self) -> tuple[list[dict[str, float]], int]:
        return read_rows(self.directory / "metrics.csv")

    @cached_property
    def values(self) -> dict[str, Value]:
        """Values by `<metric>/<extractor>`: the newest of `gan-experiments evaluate`, else those of training."""
        return self.values_at(None)

    def values_at(self, iteration: int | None) -> dict[str, Value]:
        """Give the values of the generator as it was at an iteration; None: the newest ones, of whichever."""
        return {key: value for (key, _), value in self.measured(iteration).items()}

    def measured(self, iteration: int | None = None) -> dict[tuple[str, str], Value]:
        """Give all values by key and protocol, oldest first; of two by one protocol the newer."""
        found: dict[tuple[str, str], Value] = {}
        # What an unfinished run measured last may be older than where it stands.
        at_the_end = self.state == "finished" and iteration == self.results.get("iterations")
        evaluation = self.results.get("evaluation") if iteration is None or at_the_end else None
        sources = [{"kimg": self.results.get("kimg"), **(evaluation if isinstance(evaluation, dict) else {})}]
        contents = map(read_json, sorted(self.directory.glob("evaluation/*.json"), key=_modified))
        sources += [content for content in contents if iteration in (None, content.get("iteration"))]
        for content in sources:
            entries = content.get("values")
            for key, entry in entries.items() if isinstance(entries, dict) else ():
                with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):
                    value = read_value(entry, content.get("kimg"))
                    found.pop((key, value.protocol), None)  # so that the newest stands last
                    found[key, value.protocol] = value
        return found

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with the directory, a sentence each; empty where nothing is."""
        if self.state == "unreadable":
            return [self.problem]
        found = [self.problem] if self.problem else []
        if self.state == "interrupted":
            found.append("it was stopped before its end; resume=RUN goes on with it")
        files = {self.directory / "results.json": self.results}
        files |= {path: read_json(path) for path in sorted(self.directory.glob("evaluation/*.json"))}
        broken = [path for path, content in files.items() if path.exists() and not content]
        found += [f"{path.relative_to(self.directory)} cannot be read" for path in broken]
        damaged = self._table[1]
        if damaged and self.state != "running":  # which may be writing a line at this moment
            found.append(f"{damaged} line{'s' * (damaged > 1)} of metrics.csv cannot be read")
        lacking = [name for name in ("results.json", "metrics.csv") if not (self.directory / name).exists()]
        return found + [f"it holds no {name}" for name in lacking if self.state == "finished"]

    @property
    def grids(self) -> list[tuple[float, Path]]:
        """Sample grids with their kimg, in order."""
        found = []
        for path in self.directory.glob("samples/kimg_*.png"):
            with contextlib.suppress(ValueError):
                found.append((float(path.stem.removeprefix("kimg_")), path))
        return sorted(grid for grid in found if math.isfinite(grid[0]))


def read_record(directory: Path) -> Record:
    """Read a run directory in any state; a foreign, empty or vanished one is `unreadable`."""
    directory = directory.absolute()
    try:
        manifest = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        lacking = "it is a file" if directory.exists() else "it does not exist"
        problem = f"it holds no {FILE}" if directory.is_dir() else lacking
        return Record(directory, "unreadable", problem, {})
    except (OSError, ValueError) as error:
        return Record(directory, "unreadable", f"{FILE} cannot be read ({error})", {})
    if not isinstance(manifest, dict) or not isinstance(manifest.get("config"), dict):
        return Record(directory, "unreadable", f"{FILE} is not one of this framework", {})
    status = manifest.get("status")
    if status == "running":  # or killed while it ran
        return Record(directory, "running" if _is_locked(directory) else "interrupted", "", manifest)
    if status not in ("finished", "failed", "interrupted"):
        return Record(directory, "unreadable", f"{FILE} gives it the unknown status {status!r}", {})
    return Record(directory, status, str(manifest.get("error") or ""), manifest)


def find_runs(paths: Iterable[str | Path]) -> list[Record]:
    """Read all runs that the paths name: runs, sweeps, directories above them, or patterns with * and ?.

    Raises:
        UserError: a path names nothing at all.
    """
    found: dict[str, Record] = {}
    for given in paths:
        text = os.path.expanduser(given)  # noqa: PTH111 (that of Path fails for a user who is not there)
        # First as it is, for names may hold brackets; a pattern may be absolute, which that of Path cannot be.
        matches = glob.glob(glob.escape(text)) or sorted(glob.glob(text))  # noqa: PTH207
        if not matches:
            raise UserError(
                f"{given} names no directory: give run directories, a sweep, or a pattern such as outputs/*/*"
            )
        for match in map(Path, matches):
            inside = _run_directories(match)
            for directory in inside or [match]:
                place = os.path.realpath(directory)  # a link and what it leads to are one run
                if place not in found:
                    found[place] = read_record(directory)
    return list(found.values())


def _run_directories(top: Path) -> list[Path]:
    """Give the run directories at or below one; a run holds no other."""
    inside = []
    for directory, below, files in os.walk(top, onerror=lambda error: None):
        if FILE in files:
            inside.append(Path(directory))
            below.clear()
        else:
            below.sort()
    return inside


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give a nested config as dotted keys and plain values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


LOCAL_KEYS = ("data_dir", "cache_dir", "code_dirs", "resume", "dataset.path", "dataset.source")
"""Paths: two runs do not differ by where they were made."""


def differing_keys(records: Sequence[Record]) -> list[str]:
    """Give the keys in which runs differ; a group choice stands for those keys of its group that follow from it."""
    configs = [flat(record.config) for record in records if record.config]
    choices = [record.choices for record in records if record.config]
    groups = [
        group for group in dict.fromkeys(g for c in choices for g in c) if len({str(c.get(group)) for c in choices}) > 1
    ]
    differing = []
    for key in dict.fromkeys(key for config in configs for key in config):
        if any(key == local or key.startswith(f"{local}.") for local in LOCAL_KEYS):
            continue
        if len({json.dumps(config.get(key), sort_keys=True, default=str) for config in configs}) > 1:
            differing.append(key)
    return [*groups, *(key for key in differing if not _follows_from_choice(key, groups, configs, choices))]


def _follows_from_choice(
    key: str, groups: list[str], configs: list[dict[str, Any]], choices: list[dict[str, Any]]
) -> bool:
    """Say whether a key has one value for each choice of its group, or is the group itself (which may be empty)."""
    for group in groups:
        if not f"{key}.".startswith(f"{group.replace('/', '.')}."):
            continue
        seen: dict[str, set[str]] = {}
        for config, choice in zip(configs, choices, strict=True):
            seen.setdefault(str(choice.get(group)), set()).add(json.dumps(config.get(key), default=str))
        if all(len(values) == 1 for values in seen.values()):
            return True
    return False


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # it has vanished
        return 0.0


def _is_locked(directory: Path) -> bool:
    """Say whether a process is at the run."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
