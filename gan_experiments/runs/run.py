"""A run directory: what it holds, in whatever state it is. Imports no torch by itself."""

import contextlib
import fcntl
import glob
import itertools
import json
import logging
import math
import os
import re
import shlex
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from omegaconf import DictConfig, OmegaConf

from gan_experiments.config.keys import PLACES, budget_key, flat, override_key, within
from gan_experiments.io import is_locked
from gan_experiments.runs.manifest import FILE, FORMAT, Evaluation, Manifest, modified, read_json
from gan_experiments.runs.metrics_csv import CLOCKS, Row, read_rows
from gan_experiments.types import MetricValue, UserError

if TYPE_CHECKING:
    from gan_experiments.runs.networks import TrainedDiscriminator
    from gan_experiments.sampling.sampler import Sampler


log = logging.getLogger(__name__)
SWEEP_FILE = "sweep.json"
BEST = "best.pt"
LOCK_TRIES = 5
RUN_FILES = {
    "manifest.json", "metrics.csv", "results.json", "networks.json", "networks.txt", "run.log", "losses.png",
    "report.html", "report.md", "autoencoder.png", "samples", "checkpoints", "evaluation", "wandb", "tensorboard",
}  # fmt: skip
"""What a run writes at the top of its directory; where there is more, the directory is not the run's alone."""
State = Literal["running", "finished", "failed", "interrupted", "unreadable"]
Weights = Literal["averaged", "raw"]


@dataclass(frozen=True)
class Run:
    """A directory that is, or should be, a run's. What cannot be read is empty, and `problem` says why.

    Reading imports and executes nothing that the run names; `generator` and `discriminator` do.
    """

    directory: Path
    state: State
    problem: str = ""
    manifest: Manifest = field(default_factory=Manifest)

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read a run directory in any state; a foreign, empty or vanished one is `unreadable`. Never raises."""
        directory = directory.absolute()
        try:
            content = json.loads((directory / FILE).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            is_sweep = (directory / SWEEP_FILE).exists()
            empty = "it is a sweep of which no job has begun" if is_sweep else f"it holds no {FILE}"
            lacking = "it is a file" if directory.exists() else "it does not exist"
            return cls(directory, "unreadable", empty if directory.is_dir() else lacking)
        except (OSError, ValueError) as error:
            return cls(directory, "unreadable", f"its {FILE} cannot be read ({type(error).__name__}: {error})")
        if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
            return cls(directory, "unreadable", f"its {FILE} is not one of this framework")
        manifest = Manifest(**content)
        if manifest.format != FORMAT:
            maker = manifest.versions.get("gan_experiments", "an unknown version")
            problem = f"it was made by gan_experiments {maker} (manifest format {manifest.format}, here {FORMAT})"
            return cls(directory, "unreadable", f"{problem}: use it with that version, or train it again", manifest)
        status = manifest.status
        if status == "running":  # or killed while it ran
            return cls(directory, "running" if is_locked(directory) else "interrupted", "", manifest)
        if status not in ("finished", "failed", "interrupted"):
            return cls(directory, "unreadable", f"its {FILE} has the unknown status {status!r}")
        return cls(directory, status, manifest.error or "", manifest)

    @classmethod
    def open(cls, directory: str | Path, named: str | None = None) -> Self:
        """Open a run directory; `named` is what a message calls it, such as `resume=outputs/x`.

        Raises:
            UserError: it is missing or not a run's.
        """
        run = cls.read(Path(directory).expanduser())
        if run.state != "unreadable":
            return run
        hint = ""
        if not (run.directory / FILE).exists():
            below = sorted(path.parent for path in run.directory.glob(f"*/{FILE}"))
            hint = f" Name a run directory, which holds a {FILE}; `gan-experiments runs` lists those below outputs/."
            hint = f" It holds runs, such as {below[-1]}." if below else hint
        what = "cannot be used" if run.config else "is not a run directory"
        raise UserError(f"{named or directory} {what}: {run.problem}.{hint}")

    @property
    def name(self) -> str:
        """What to call it: the name in its config, or that of its directory and the one above."""
        name = self.config.get("name")
        return str(name) if name else "/".join(self.directory.parts[-2:])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config; empty where unreadable."""
        return self.manifest.config

    def omegaconf(self) -> DictConfig:
        """Return a copy of the resolved config as what Hydra composes."""
        return OmegaConf.create(self.config)

    def group(self, name: str) -> dict[str, Any]:
        """Return a group of the config; empty where there is none."""
        group = self.config.get(name)
        return group if isinstance(group, dict) else {}

    @property
    def choices(self) -> dict[str, Any]:
        return self.manifest.choices

    def commit(self, of: str = "git") -> str:
        """Return the commit of the framework, or of where it was launched (`user_git`); empty where none is known."""
        state = self.manifest.git if of == "git" else self.manifest.user_git
        changed = " (with uncommitted changes)" * bool(state.get("dirty"))
        return f"{state['commit']}{changed}" if state.get("commit") else ""

    @property
    def command(self) -> str:
        """The command line that makes such a run, of a job of a sweep its own alone; empty where unreadable."""
        if not self.manifest.command and not self.manifest.overrides:
            return ""
        words = itertools.pairwise(map(str, self.manifest.command))
        parts = [pair for pair in words if pair[0] in ("--config-dir", "-cd")]
        # `+sweep=` would begin the sweep that the run was a job of.
        own = [str(word) for word in self.manifest.overrides if not within(override_key(word), ("hydra", "sweep"))]
        return shlex.join(["python", "-m", "gan_experiments", *itertools.chain(*parts), *own])

    @property
    def go_on(self) -> str:
        """The command line that goes on with it; empty where it is running, or holds no state to go on from."""
        if self.state == "running" or not list_checkpoints(self.directory / "checkpoints"):
            return ""
        longer = f" {budget_key(self.flat_config)}=MORE" * (self.state == "finished")
        return f"python -m gan_experiments {resuming(self.directory)}{longer}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What `differing_keys` names: values by dotted key, and choices by group."""
        return self.flat_config | self.choices

    @cached_property
    def flat_config(self) -> dict[str, Any]:
        return flat(self.config)

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of results.json; empty where there is none."""
        return read_json(self.directory / "results.json")

    @cached_property
    def evaluation(self) -> Evaluation:
        """What training measured last."""
        content = self.results.get("evaluation")
        return Evaluation(**content) if isinstance(content, dict) else Evaluation()

    @property
    def best(self) -> dict[str, Any]:
        """By what best.pt was chosen: `key`, `value`, `kimg`, `iteration`; empty where there is none."""
        return self.evaluation.best

    @property
    def seconds(self) -> float:
        """How long it trained, over all sessions that have ended."""
        return math.fsum(session.seconds or 0 for session in self.manifest.sessions)

    @property
    def reached(self) -> dict[str, float]:
        """How far it was trained, by each clock that metrics.csv tells."""
        newest = {name: row[name] for row in self.rows for name in CLOCKS if name in row}
        return {name: newest[name] for name in CLOCKS if name in newest}

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of metrics.csv, as far as they can be read."""
        return self._table[0]

    @cached_property
    def _table(self) -> tuple[list[Row], int]:
        with contextlib.suppress(OSError):
            return read_rows(self.directory / "metrics.csv")
        return [], 0

    def measured(self, iteration: int | None = None) -> dict[tuple[str, str], MetricValue]:
        """Return all values, or an iteration's, by key and protocol: of two the later iteration's, else the newer."""
        values: dict[tuple[str, str], MetricValue] = {}
        for evaluation in self.evaluations:
            for key, entry in evaluation.values.items() if iteration in (None, evaluation.iteration) else ():
                with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):
                    value = MetricValue.from_json(key, {"kimg": evaluation.kimg, **entry})
                    values.pop((key, value.protocol_hash), None)  # so that the newest stands last
                    values[key, value.protocol_hash] = value
        return values

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """What was measured, by iteration: in training, then by `gan-experiments evaluate`, the newest last."""
        # What an unfinished run measured last may be older than where it stands.
        reached = self.results.get("iterations") if self.state == "finished" else None
        position = {"iteration": reached if isinstance(reached, int) else -1, "kimg": self.results.get("kimg")}
        training = Evaluation(**self.evaluation.model_dump() | position)
        later = [Evaluation(**read_json(path)) for path in sorted(self._evaluation_files(), key=modified)]
        # Of one iteration, what more samples were drawn for stands last; a quick look is no better than training's.
        return sorted([training, *later], key=lambda one: (one.iteration, one.num_samples))

    def _evaluation_files(self) -> list[Path]:
        return sorted(self.directory.glob("evaluation/*.json"))

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with the directory, a sentence each; empty where nothing is."""
        if self.state == "unreadable":
            return [self.problem]
        found = [self.problem] if self.problem else []
        if self.state == "interrupted":
            further = "resume=RUN goes on with it" if self.go_on else "it holds no checkpoint to go on from"
            found.append(f"it was stopped before its end; {further}")
        files = [self.directory / "results.json", *self._evaluation_files()]
        broken = [path for path in files if path.exists() and not read_json(path)]
        found += [f"{path.relative_to(self.directory)} cannot be read" for path in broken]
        damaged = self._table[1]
        if damaged and self.state != "running":  # which may be writing a line at this moment
            found.append(f"{damaged} line{'s' * (damaged > 1)} of metrics.csv cannot be read")
        lacking = [name for name in ("results.json", "metrics.csv") if not (self.directory / name).exists()]
        return found + [f"it holds no {name}" for name in lacking if self.state == "finished"]

    @property
    def whole_checkpoints(self) -> list[Path]:
        """The checkpoints of iterations that were written to their end, oldest first."""
        paths = list_checkpoints(self.directory / "checkpoints")
        return [path for path in paths if zipfile.is_zipfile(path)]  # a truncated one has lost its directory

    @property
    def grids(self) -> list[tuple[float, Path]]:
        """Sample grids with their kimg, in order."""
        found = []
        for path in self.directory.glob("samples/kimg_*.png"):
            with contextlib.suppress(ValueError):
                found.append((float(path.stem.removeprefix("kimg_")), path))
        return sorted(grid for grid in found if math.isfinite(grid[0]))

    def check_data(self, fingerprint: str) -> None:
        """Make sure that the data are those that the run began with."""
        before = self.manifest.data["fingerprint"]
        if fingerprint != before:
            raise UserError(
                f"the data have changed since {self.directory} began: fingerprint {fingerprint}, was {before}. "
                f"Put the old data back (dataset {self.flat_config.get('dataset.name')!r}, "
                f"data_dir={self.config.get('data_dir')}; "
                f"what a regime has trained is in cache_dir={self.config.get('cache_dir')})."
            )

    def checkpoint(self, which: str) -> tuple[Path, dict[str, Any]]:
        """Find and load the checkpoint `last`, `best`, or that of an iteration."""
        if which == "last":
            return self.last_checkpoint()
        path = self.directory / "checkpoints" / (checkpoint_name(int(which)) if which.isdigit() else f"{which}.pt")
        if not path.exists():
            there = ", ".join(sorted(found.name for found in path.parent.glob("*.pt"))) or "none"
            unchosen = which == "best" and self.flat_config.get("evaluation.best") is None
            why = " None is kept as the best, since evaluation.best names no value: write last." if unchosen else ""
            raise UserError(f"there is no checkpoint {path.name} in {path.parent}; there are: {there}.{why}")
        try:
            return path, load_checkpoint(path)
        except Exception as error:  # a damaged file may raise anything
            raise UserError(
                f"the checkpoint {which} cannot be read ({type(error).__name__}): {path} is damaged. Choose another."
            ) from error

    def last_checkpoint(self) -> tuple[Path, dict[str, Any]]:
        """Find and load the newest checkpoint that can be read."""
        damaged: list[str] = []
        for path in reversed(list_checkpoints(self.directory / "checkpoints")):
            try:
                return path, load_checkpoint(path)
            except Exception as error:  # a damaged file may raise anything; an older one will do
                damaged.append(path.name)
                log.warning("%s is damaged (%s); trying an older one.", path, type(error).__name__)
        if damaged:
            raise UserError(f"every checkpoint in {self.directory / 'checkpoints'} is damaged: {', '.join(damaged)}.")
        every = self.config.get("checkpoint_every_kimg")
        raise UserError(
            f"{self.directory / 'checkpoints'} holds no readable checkpoint: they were deleted, or the run ended "
            f"before its first one (checkpoint_every_kimg={every}). Start it anew."
        )

    def generator(self, checkpoint: str = "last", weights: Weights = "averaged") -> "Sampler":
        """Rebuild the generator from a checkpoint; where the run kept no average, the raw one.

        Args:
            checkpoint: `last`, `best`, or the number of an iteration.
            weights: `averaged`, the EMA generator that metrics and grids use, or `raw`.

        Raises:
            UserError: there is no such checkpoint, it is damaged, or does not fit the run's own config.
        """
        from gan_experiments.runs.networks import load_generator

        return load_generator(self, checkpoint, weights)

    def discriminator(self, checkpoint: str = "last") -> "TrainedDiscriminator":
        """Rebuild the discriminator, or the network of a classifier's run; as `generator`."""
        from gan_experiments.runs.networks import load_discriminator

        return load_discriminator(self, checkpoint)


def find_runs(paths: Iterable[str | Path]) -> list[Run]:
    """Read all runs that the paths name: runs, sweeps, directories above them, or patterns with * and ?."""
    found: dict[str, Run] = {}
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
                    found[place] = Run.read(directory)
    return list(found.values())


def differing_keys(runs: Iterable[Run]) -> list[str]:
    """Return the keys in which runs differ; a group choice stands for those keys of its group that follow from it."""
    runs = [run for run in runs if run.flat_config]
    groups = [
        group
        for group in dict.fromkeys(itertools.chain(*(run.choices for run in runs)))
        if len({str(run.choices.get(group)) for run in runs}) > 1
    ]
    keys = []
    for key in dict.fromkeys(itertools.chain(*(run.flat_config for run in runs))):
        values = [json.dumps(run.flat_config.get(key), sort_keys=True, default=str) for run in runs]
        if len(set(values)) == 1 or within(key, PLACES):
            continue
        above = [group for group in groups if within(key, [group.replace("/", ".")])]
        choices = [[str(run.choices.get(group)) for run in runs] for group in above]
        if not any(len(set(zip(chosen, values, strict=True))) == len(set(chosen)) for chosen in choices):
            keys.append(key)
    return groups + keys


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


def checkpoint_name(iterations: int) -> str:
    """Name the checkpoint after an iteration; names sort as iterations do."""
    return f"iteration_{iterations:09d}.pt"


def list_checkpoints(directory: Path) -> list[Path]:
    """List the checkpoints of a directory, oldest first."""
    return sorted(directory.glob("iteration_*.pt"))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's containers and tensors; never code."""
    import torch

    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run directory for this process; the lock ends with the process, however it ends."""
    descriptor = os.open(directory, os.O_RDONLY)
    tries = 0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            tries += 1
            if tries == LOCK_TRIES:
                os.close(descriptor)
                raise UserError(
                    f"another process is training in {directory}: wait for it, or stop it first."
                ) from error
            time.sleep(0.1)  # a list of runs looks for a moment whether one is locked
        except OSError:  # a file system without locks
            break
    try:
        yield
    finally:
        os.close(descriptor)


def resuming(directory: Path) -> str:
    """Return the word that resumes a run, quoted for the shell and for Hydra where its path asks for it."""
    word = f"resume={directory}"
    return word if re.fullmatch(r"resume=[\w./:+-]+", word) else shlex.quote(f"resume='{directory}'")
