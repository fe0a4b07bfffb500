"""What run directories hold, whatever state they are in: for tables, pages and sweeps. Imports no torch."""

import contextlib
import glob
import itertools
import json
import math
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gan_experiments.config.keys import budget_key, flat, override_key, within
from gan_experiments.io import is_locked
from gan_experiments.runs.manifest import FILE
from gan_experiments.runs.metrics_csv import CLOCKS, read_rows
from gan_experiments.runs.reading import listing, mapping, modified, num_samples, read_json, whole
from gan_experiments.runs.run import resuming
from gan_experiments.types import MetricValue, UserError, is_number

SWEEP_FILE = "sweep.json"
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

    def part(self, name: str) -> dict[str, Any]:
        """Return a part of the manifest; empty where it is no mapping."""
        return dict(mapping(self.manifest.get(name)))

    def told(self, name: str) -> list[Mapping[str, Any]]:
        """Return what the manifest tells one by one, in order: `sessions`, `alarms`, `rollbacks`."""
        return [mapping(entry) for entry in listing(self.manifest.get(name))]

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config; empty where unreadable."""
        return self.part("config")

    @property
    def choices(self) -> dict[str, Any]:
        """The choice of each config group; empty where unreadable."""
        return self.part("choices")

    def commit(self, of: str = "git") -> str:
        """Return the commit of the framework, or of where it was launched (`user_git`); empty where none is known."""
        state = self.part(of)
        changed = " (with uncommitted changes)" * bool(state.get("dirty"))
        return f"{state['commit']}{changed}" if state.get("commit") else ""

    @property
    def command(self) -> str:
        """The command line that makes such a run, of a job of a sweep its own alone; empty where unreadable."""
        overrides, started = (self.manifest.get(name) for name in ("overrides", "command"))
        if not isinstance(overrides, list):
            return ""
        words = itertools.pairwise(str(word) for word in listing(started))
        parts = [pair for pair in words if pair[0] in ("--config-dir", "-cd")]
        # `+sweep=` would begin the sweep that the run was a job of.
        own = [str(word) for word in overrides if not within(override_key(word), ("hydra", "sweep"))]
        return shlex.join(["python", "-m", "gan_experiments", *itertools.chain(*parts), *own])

    @property
    def go_on(self) -> str:
        """The command line that goes on with it; empty where it is running, or holds no state to go on from."""
        if self.state == "running" or not any(self.directory.glob("checkpoints/iteration_*.pt")):
            return ""
        longer = f" {budget_key(self.flat_config)}=MORE" * (self.state == "finished")
        return f"python -m gan_experiments {resuming(self.directory)}{longer}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What `differing_keys` names: values by dotted key, and choices by group."""
        return self.flat_config | self.choices

    @cached_property
    def flat_config(self) -> dict[str, Any]:
        """The config by dotted key."""
        return flat(self.config)

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of results.json; empty where there is none."""
        return read_json(self.directory / "results.json")

    @property
    def evaluation(self) -> Mapping[str, Any]:
        """What training measured last: `values` by key, `not_applicable`, `best`; empty where nothing."""
        return mapping(self.results.get("evaluation"))

    @property
    def best(self) -> Mapping[str, Any]:
        """By what best.pt was chosen: `key`, `value`, `kimg`, `iteration`; empty where there is none."""
        return mapping(self.evaluation.get("best"))

    @property
    def seconds(self) -> float:
        """How long it trained, over all sessions that have ended."""
        return math.fsum(told["seconds"] for told in self.told("sessions") if is_number(told.get("seconds")))

    @property
    def reached(self) -> dict[str, float]:
        """How far it was trained, by each clock that metrics.csv tells."""
        newest = {name: row[name] for row in self.rows for name in CLOCKS if name in row}
        return {name: newest[name] for name in CLOCKS if name in newest}

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        """The rows of metrics.csv, as far as they can be read."""
        return self._table[0]

    @cached_property
    def _table(self) -> tuple[list[dict[str, float]], int]:
        with contextlib.suppress(OSError):
            return read_rows(self.directory / "metrics.csv")
        return [], 0

    def measured(self, iteration: int | None = None) -> dict[tuple[str, str], MetricValue]:
        """Return all values, or an iteration's, by key and protocol: of two the later iteration's, else the newer."""
        found: dict[tuple[str, str], MetricValue] = {}
        for place, content in self._measurements():
            for key, entry in mapping(content.get("values")).items() if iteration in (None, place) else ():
                with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):
                    value = MetricValue.from_json(key, {"kimg": content.get("kimg"), **entry})
                    found.pop((key, value.protocol_hash), None)  # so that the newest stands last
                    found[key, value.protocol_hash] = value
        return found

    def _measurements(self) -> list[tuple[int, dict[str, Any]]]:
        """Return what was measured, by iteration: in training, then by `gan-experiments evaluate`, the newest last."""
        training = {"kimg": self.results.get("kimg"), **self.evaluation}
        # What an unfinished run measured last may be older than where it stands.
        reached = whole(self.results.get("iterations")) if self.state == "finished" else -1
        later = map(read_json, sorted(self.directory.glob("evaluation/*.json"), key=modified))
        found = [(reached, training), *((whole(content.get("iteration")), content) for content in later)]
        # Of one iteration, what more samples were drawn for stands last; a quick look is no better than training's.
        return sorted(found, key=lambda pair: (pair[0], num_samples(pair[1])))

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with the directory, a sentence each; empty where nothing is."""
        if self.state == "unreadable":
            return [self.problem]
        found = [self.problem] if self.problem else []
        if self.state == "interrupted":
            further = "resume=RUN goes on with it" if self.go_on else "it holds no checkpoint to go on from"
            found.append(f"it was stopped before its end; {further}")
        files = [self.directory / "results.json", *sorted(self.directory.glob("evaluation/*.json"))]
        broken = [path for path in files if path.exists() and not read_json(path)]
        found += [f"{path.relative_to(self.directory)} cannot be read" for path in broken]
        damaged = self._table[1]
        if damaged and self.state != "running":  # which may be writing a line at this moment
            found.append(f"{damaged} line{'s' * (damaged > 1)} of metrics.csv cannot be read")
        lacking = [name for name in ("results.json", "metrics.csv") if not (self.directory / name).exists()]
        return found + [f"it holds no {name}" for name in lacking if self.state == "finished"]

    @property
    def grids(self) -> list[tuple[float, Path]]:
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
        is_sweep = (directory / SWEEP_FILE).exists()
        empty = "it is a sweep of which no job has begun" if is_sweep else f"it holds no {FILE}"
        lacking = "it is a file" if directory.exists() else "it does not exist"
        problem = empty if directory.is_dir() else lacking
        return Record(directory, "unreadable", problem, {})
    except (OSError, ValueError) as error:
        return Record(directory, "unreadable", f"{FILE} cannot be read ({error})", {})
    if not isinstance(manifest, dict) or not isinstance(manifest.get("config"), dict):
        return Record(directory, "unreadable", f"{FILE} is not one of this framework", {})
    status = manifest.get("status")
    if status == "running":  # or killed while it ran
        return Record(directory, "running" if is_locked(directory) else "interrupted", "", manifest)
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
            for directory in _run_directories(match) or [match]:
                place = os.path.realpath(directory)  # a link and what it leads to are one run
                if place not in found:
                    found[place] = read_record(directory)
    return list(found.values())


def _run_directories(top: Path) -> list[Path]:
    """Return the run directories at or below one; a run holds no other."""
    inside = []
    for directory, below, files in os.walk(top, onerror=lambda error: None):
        if FILE in files:
            inside.append(Path(directory))
            below.clear()
        else:
            below.sort()
    return inside
