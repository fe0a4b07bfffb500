"""What loggers have in common that take more than scalars, and that never end a run."""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

log = logging.getLogger(__name__)

NUM_BINS = 64


@dataclass(frozen=True)
class RunInfo:
    """What a logger knows of its run."""

    directory: Path  # the run's
    name: str
    group: str  # the sweep that the run belongs to, or else its experiment
    config: Mapping[str, Any]  # the resolved config, with the group choices under `choices`
    tags: list[str]
    notes: str
    run_ids: dict[str, str]  # identities by logger: a resumed run finds its own there, a new one writes it


class RunLogger(Logger):
    """A logger that takes more than scalars, and never ends a run; it overrides what it has use for.

    Any Lightning logger may stand beside it.
    """

    def __init__(self, about: RunInfo) -> None:
        super().__init__()
        self.about = about
        self.started = False  # whatever is logged, is between `start` and `close`
        self.failed: set[str] = set()  # methods that are no longer called

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def start(self) -> None:
        """Open the record."""

    def log_grid(self, key: str, path: Path, kimg: float) -> None:
        """Log a picture."""

    def log_best(self, values: Mapping[str, float]) -> None:
        """Log the best of each value so far."""

    def log_scores(self, scores: Mapping[str, np.ndarray], kimg: float) -> None:
        """Log the discriminator's scores of each set of images."""

    def log_samples(self, pixels: np.ndarray, labels: Sequence[int], class_names: Sequence[str], kimg: float) -> None:
        """Log single images (uint8, N×H×W×C)."""

    def log_model(self, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
        """Log the best generator: files by name, and what is known of it."""

    def alert(self, name: str, message: str) -> None:
        """Log an alarm."""

    def close(self, results: Mapping[str, Any], exit_code: int) -> None:
        """Close the record."""


SomeLogger = TypeVar("SomeLogger", bound=RunLogger)
Arguments = ParamSpec("Arguments")


def best_effort(
    method: Callable[Concatenate[SomeLogger, Arguments], None],
) -> Callable[Concatenate[SomeLogger, Arguments], None]:
    """Let a method act in the first process alone; when it fails, that is logged, and it is called no more."""

    @rank_zero_only
    @functools.wraps(method)
    def hook(self: SomeLogger, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        name = method.__name__
        if not self.started or name in self.failed:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # whatever a server or a disk may raise; the run's own record is complete
            self.failed.add(name)
            kind = type(self).__name__
            log.warning("%s.%s failed (%s: %s); the run goes on without it.", kind, name, type(error).__name__, error)

    return hook


def run_loggers(loggers: Iterable[object]) -> list[RunLogger]:
    """Return those loggers that take more than scalars."""
    return [logger for logger in loggers if isinstance(logger, RunLogger)]


def bin_edges(sets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the edges of bins that all sets share, so that their histograms can be compared."""
    edges: np.ndarray = np.histogram_bin_edges(np.concatenate(list(sets.values())), NUM_BINS)
    return edges
