"""A run directory, and the rules by which a run starts, goes on, or lends its weights. Imports no torch by itself."""

import contextlib
import fcntl
import logging
import os
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf

from gan_experiments.io import is_first_process
from gan_experiments.runs.manifest import FILE, read_manifest
from gan_experiments.types import UserError

log = logging.getLogger(__name__)
LOCK_TRIES = 5
RUN_FILES = {
    "manifest.json", "metrics.csv", "results.json", "networks.json", "networks.txt", "run.log", "losses.png",
    "report.html", "report.md", "autoencoder.png", "samples", "checkpoints", "evaluation", "wandb", "tensorboard",
}  # fmt: skip
"""What a run writes at the top of its directory; where there is more, the directory is not the run's alone."""


@dataclass(frozen=True)
class Run:
    """A run directory and what lies in it."""

    directory: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, directory: str | Path, named: str) -> Self:
        """Open a run directory; `named` is what a message calls it, such as `resume=outputs/x`.

        Raises:
            UserError: it is missing or not a run's.
        """
        path = Path(directory).expanduser().absolute()
        try:
            return cls(path, read_manifest(path))
        except UserError as error:
            runs = sorted(found.parent for found in path.glob(f"*/{FILE}"))
            inside = f" It holds runs, such as {runs[-1]}." if runs else ""
            raise UserError(f"{named}: {error}.{inside}") from error

    @property
    def config(self) -> DictConfig:
        config = OmegaConf.create(self.manifest["config"])
        assert isinstance(config, DictConfig)
        return config

    def check_data(self, fingerprint: str) -> None:
        """Make sure that the data are those that the run began with.

        Raises:
            UserError: they are not.
        """
        before = self.manifest["data"]["fingerprint"]
        if fingerprint != before:
            raise UserError(
                f"the data have changed since {self.directory} began: fingerprint {fingerprint}, was {before}. "
                f"Put the old data back (dataset {self.config.dataset.name!r}, data_dir={self.config.data_dir}; what a "
                f"regime has trained is in cache_dir={self.config.get('cache_dir')})."
            )

    def checkpoint(self, which: str) -> tuple[Path, dict[str, Any]]:
        """Find and load the checkpoint `last`, `best`, or that of an iteration.

        Raises:
            UserError: it is not there; names those that are.
        """
        from gan_experiments.runs.checkpoints import checkpoint_name, load_checkpoint

        if which == "last":
            return self.last_checkpoint()
        path = self.directory / "checkpoints" / (checkpoint_name(int(which)) if which.isdigit() else f"{which}.pt")
        if not path.exists():
            there = ", ".join(sorted(found.name for found in path.parent.glob("*.pt"))) or "none"
            unchosen = which == "best" and OmegaConf.select(self.config, "evaluation.best") is None
            why = " None is kept as the best, since evaluation.best names no value: write last." if unchosen else ""
            raise UserError(f"there is no checkpoint {path.name} in {path.parent}; there are: {there}.{why}")
        try:
            return path, load_checkpoint(path)
        except Exception as error:  # a damaged file may raise anything
            raise UserError(
                f"the checkpoint {which} cannot be read ({type(error).__name__}): {path} is damaged. Choose another."
            ) from error

    def last_checkpoint(self) -> tuple[Path, dict[str, Any]]:
        """Find and load the newest checkpoint that can be read.

        Raises:
            UserError: there is none.
        """
        from gan_experiments.runs.checkpoints import list_checkpoints, load_checkpoint

        damaged: list[str] = []
        for path in reversed(list_checkpoints(self.directory / "checkpoints")):
            try:
                return path, load_checkpoint(path)
            except Exception as error:  # a damaged file may raise anything; an older one will do
                damaged.append(path.name)
                log.warning("%s is damaged (%s); trying an older one.", path, type(error).__name__)
        if damaged:
            raise UserError(f"every checkpoint in {self.directory / 'checkpoints'} is damaged: {', '.join(damaged)}.")
        every = self.manifest["config"].get("checkpoint_every_kimg")
        raise UserError(
            f"{self.directory / 'checkpoints'} holds no readable checkpoint: they were deleted, or the run ended "
            f"before its first one (checkpoint_every_kimg={every}). Start it anew."
        )


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run directory for this process; the lock ends with the process, however it ends.

    Raises:
        UserError: another process is at it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    tries = 0
    while is_first_process():
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
    try:
        yield
    finally:
        os.close(descriptor)


def resuming(directory: Path) -> str:
    """Return the word that resumes a run, quoted for the shell and for Hydra where its path asks for it."""
    word = f"resume={directory}"
    return word if re.fullmatch(r"resume=[\w./:+-]+", word) else shlex.quote(f"resume='{directory}'")
