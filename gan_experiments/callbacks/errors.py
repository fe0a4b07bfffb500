"""How training may end, or go back, before its budget is spent."""

from gan_experiments.types import RunFailedError


class DivergenceError(RunFailedError):
    """A loss or a weight is no longer finite; names which and since when."""


class AlarmError(RunFailedError):
    """An alarm has stopped the run."""


class RollbackError(Exception):
    """An alarm asks to go back to the best checkpoint and on from there with another random stream."""
