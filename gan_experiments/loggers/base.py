"""What trackers have in common: loggers that are told more than scalars, and that never end a run.

A tracker has the hooks that it has use for: `start()`, `log_grid(key, path, kimg)`, `log_best(values)`,
`log_scores(scores, kimg)`, `log_samples(pixels, labels, class_names, kimg)`, `log_model(files, facts)`,
`alert(name, message)`, `close(results, exit_code)`. Any Lightning logger may stand beside them; it has none.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

log = logging.getLogger(__name__)

NUM_BINS = 64


@dataclass(frozen=True)
class About:
    """What a tracker is told of its run."""

    directory: Path  # the run's
    name: str
    group: str  # the sweep that the run belongs to, or else its experiment
    config: Mapping[str, Any]  # the resolved config, with the group choices under `choices`
    tags: list[str]
    notes: str
    run_ids: dict[str, str]  # identities by tracker: a resumed run finds its own there, a new one writes it


class Tracker(Logger):
    """A logger of this framework's own."""

    def __init__(self, about: About) -> None:
        super().__init__()
        self.about = about
        self.started = False  # hooks are called in between only
        self.failed: set[str] = set()  # hooks that are no longer called

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass


SomeTracker = TypeVar("SomeTracker", bound=Tracker)
Arguments = ParamSpec("Arguments")


def harmless(
    method: Callable[Concatenate[SomeTracker, Arguments], None],
) -> Callable[Concatenate[SomeTracker, Arguments], None]:
    """Let a hook act in the first process alone, and cost no more than itself when it fails: said once, then left."""

    @rank_zero_only
    @functools.wraps(method)
    def hook(self: SomeTracker, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
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


def hooks(loggers: Iterable[object], name: str) -> list[Callable[..., None]]:
    """Return the hook `name` of each logger that has it."""
    return [hook for logger in loggers if (hook := getattr(logger, name, None)) is not None]


def bin_edges(sets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the edges of bins that all sets share, so that their histograms can be compared."""
    edges: np.ndarray = np.histogram_bin_edges(np.concatenate(list(sets.values())), NUM_BINS)
    return edges
