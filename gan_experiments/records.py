"""What run directories hold, whatever state they are in: for tables, pages and sweeps. Imports no torch."""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gan_experiments.tracking.manifest import FILE
from gan_experiments.tracking.rows import read_metrics
from gan_experiments.types import UserError

State = Literal["running", "finished", "failed", "interrupted", "unreadable"]


@dataclass(frozen=True)
class Value:
    """A metric's value of one run, with what it must be read with."""

    value: float | None  # None: undefined
    interval: tuple[float, float] | None  # 95%, over sampling seeds
    protocol: str  # a hash: values with different ones are different measures
    facts: dict[str, Any]  # of the protocol
    higher_is_better: bool
    floor: float | None = None
    ceiling: float | None = None


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
        given = self.manifest.get("config", {}).get("name")
        return str(given) if given else "/".join(self.directory.parts[-2:])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config; empty where unreadable."""
        config = self.manifest.get("config")
        return config if isinstance(config, dict) else {}

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of results.json; empty where there is none."""
        return _read_json(self.directory / "results.json")

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        """The rows of metrics.csv, as far as they can be read."""
        try:
            return read_metrics(self.directory / "metrics.csv")
        except (OSError, ValueError, TypeError, AttributeError, UnicodeDecodeError):
            return []

    @cached_property
    def values(self) -> dict[str, Value]:
        """Values by `<metric>/<extractor>`: the newest of `gan-experiments evaluate`, else those of training."""
        found: dict[str, Value] = {}
        evaluation = self.results.get("evaluation")
        measured = [evaluation.get("values") if isinstance(evaluation, dict) else None]
        paths = sorted(self.directory.glob("evaluation/*.json"), key=lambda path: path.stat().st_mtime)
        measured += [_read_json(path).get("values") for path in paths]
        for entries in measured:
            for key, entry in (entries or {}).items():
                with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):
                    found[key] = _value(entry)
        return found

    @property
    def grids(self) -> list[tuple[float, Path]]:
        """Sample grids with their kimg, in order."""
        found = []
        for path in self.directory.glob("samples/kimg_*.png"):
            with contextlib.suppress(ValueError):
                found.append((float(path.stem.removeprefix("kimg_")), path))
        return sorted(found)


def read_record(directory: Path) -> Record:
    """Read a run directory in any state; a foreign, empty or vanished one is `unreadable`."""
    directory = directory.absolute()
    try:
        manifest = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem = f"it holds no {FILE}" if directory.is_dir() else "it does not exist"
        return Record(directory, "unreadable", problem, {})
    except (OSError, ValueError) as error:
        return Record(directory, "unreadable", f"{FILE} cannot be read ({error})", {})
    if not isinstance(manifest, dict) or not isinstance(manifest.get("config"), dict):
        return Record(directory, "unreadable", f"{FILE} is not one of this framework", {})
    status = manifest.get("status")
    if status == "running":  # or killed while it ran
        return Record(directory, "running" if _is_locked(directory) else "interrupted", "", manifest)
    state: State = status if status in ("finished", "failed", "interrupted") else "unreadable"
    return Record(directory, state, str(manifest.get("error") or ""), manifest)


def find_runs(paths: Iterable[str | Path]) -> list[Record]:
    """Read all runs that the paths name: runs, sweeps, directories above them, or patterns with * and ?.

    Raises:
        UserError: a path names nothing at all.
    """
    found: dict[Path, Record] = {}
    for given in paths:
        text = str(Path(given).expanduser())
        matches = [Path(text)] if Path(text).exists() else [Path(match) for match in sorted(glob.glob(text))]  # noqa: PTH207 (the pattern may be absolute)
        if not matches:
            raise UserError(
                f"{given} names no directory: give run directories, a sweep, or a pattern such as outputs/*/*"
            )
        for match in matches:
            inside = _run_directories(match)
            for directory in inside or [match]:
                found.setdefault(directory.absolute(), read_record(directory))
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
    choices = [record.manifest.get("choices", {}) for record in records if record.config]
    groups = [
        group for group in dict.fromkeys(g for c in choices for g in c) if len({str(c.get(group)) for c in choices}) > 1
    ]
    differing = []
    for key in dict.fromkeys(key for config in configs for key in config):
        if any(key == local or key.startswith(f"{local}.") for local in LOCAL_KEYS):
            continue
        if len({json.dumps(config.get(key), sort_keys=True, default=str) for config in configs}) > 1:
            differing.append(key)
    explained = [key for key in differing if any(key.startswith(f"{group}.") for group in groups)]
    own = [key for key in explained if not _follows_from_choice(key, groups, configs, choices)]
    return [*groups, *(key for key in differing if key not in explained or key in own)]


def _follows_from_choice(
    key: str, groups: list[str], configs: list[dict[str, Any]], choices: list[dict[str, Any]]
) -> bool:
    """Say whether a key has one value for each choice of its group."""
    group = next(group for group in groups if key.startswith(f"{group}."))
    seen: dict[str, set[str]] = {}
    for config, choice in zip(configs, choices, strict=True):
        seen.setdefault(str(choice.get(group)), set()).add(json.dumps(config.get(key), default=str))
    return all(len(values) == 1 for values in seen.values())


def _value(entry: dict[str, Any]) -> Value:
    facts = entry["protocol"]
    interval = entry.get("interval")
    return Value(
        value=None if entry["value"] is None else float(entry["value"]),
        interval=None if interval is None else (float(interval[0]), float(interval[1])),
        protocol=hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8],
        facts=facts,
        higher_is_better=bool(entry.get("higher_is_better", False)),
        floor=entry.get("floor"),
        ceiling=entry.get("ceiling"),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


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
    finally:
        os.close(descriptor)
    return False
