"""What the callbacks of a run share, so that none of them holds another."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl


@dataclass
class TrainingStatus:
    """How far training is, the requests to stop it, and for each event the functions to be called, in order."""

    log_every_iterations: int
    last_row: int = 0  # iteration of the newest complete row of losses
    stop_signal: signal.Signals | None = None  # that this process received
    is_stopping: bool = False  # whether any process received one
    is_rolled_back: bool = False  # whether training starts from where a rollback led

    on_row: list[Callable[[pl.Trainer, Mapping[str, float]], None]] = field(default_factory=list)
    """With each complete row of losses, once it is logged and found finite."""
    on_evaluation: list[Callable[[pl.Trainer, Mapping[str, float], bool], None]] = field(default_factory=list)
    """With the defined values of an evaluation by key, and whether training has ended."""
    on_new_best: list[Callable[[pl.Trainer, dict[str, Any]], None]] = field(default_factory=list)
    """With what is kept beside the state in best.pt."""
    on_alarm: list[Callable[[], None]] = field(default_factory=list)
    """After an alarm is added to the history."""
