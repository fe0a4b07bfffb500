"""What an alarm looks at and reports, and the callback that checks all of them."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
from pydantic import PositiveInt
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.errors import AlarmError, RollbackError
from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.module import TrainingModule
from gan_experiments.loggers.base import run_loggers

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AlarmInputs:
    """What alarms look at."""

    module: TrainingModule
    losses: Mapping[str, float]  # the newest mean of each, as in metrics.csv
    adversarial: Mapping[str, float]  # for each network, the sum of its adversarial terms, where it is known
    evaluation: Mapping[str, float]  # values of an evaluation that has just been made, by key; else empty

    @property
    def kimg(self) -> float:
        return self.module.clock.kimg


@dataclass(kw_only=True)
class Alarm:
    """An alarm is triggered when `check` returns a message; its `state` is saved with the run.

    Args:
        action: what happens when it is triggered: `warn` logs it, `stop` saves and ends the run, `rollback` goes back
            to the best checkpoint and on from there with another random stream.
        max_rollbacks: after so many rollbacks of a run it stops.
    """

    action: Literal["warn", "stop", "rollback"] = "warn"
    max_rollbacks: PositiveInt = 3
    state: dict[str, float] = field(default_factory=dict, init=False)

    watches: ClassVar[Literal["losses", "evaluation"]] = "losses"
    """When it is checked: at each row of losses, or after each evaluation."""
    covers_divergence: ClassVar[bool] = False
    """Whether a loss that is not finite, which ends training at once, is reported as this alarm."""

    def check(self, inputs: AlarmInputs) -> str:
        """Return what is wrong and what to do, in plain words; an empty string where nothing is wrong."""
        raise NotImplementedError

    def has_lasted(self, condition: bool, kimg: float, for_kimg: float) -> bool:
        """Whether a condition has held without a break for `for_kimg` thousand images."""
        if not condition:
            self.state.pop("since_kimg", None)
            return False
        return kimg - self.state.setdefault("since_kimg", kimg) >= for_kimg


class Alarms(Callback):
    """Checks each alarm when there is something to look at, keeps a history, and does what an alarm's action asks for.

    Args:
        module: the networks.
        alarms: by name.
        status: what the callbacks share.
    """

    def __init__(self, module: TrainingModule, alarms: Mapping[str, Alarm], status: TrainingStatus) -> None:
        self.module = module
        self.alarms = alarms
        self.status = status
        self.history: list[dict[str, Any]] = []  # of all alarms, for the manifest
        self.triggered: set[str] = set()
        self._losses: dict[str, float] = {}
        status.on_row.append(self._check_losses)
        status.on_evaluation.append(self._check_evaluation)

    @property
    def state_key(self) -> str:
        return "alarms"

    def state_dict(self) -> dict[str, Any]:
        return {
            "alarms": {name: alarm.state for name, alarm in self.alarms.items()},
            "triggered": sorted(self.triggered),
            "history": list(self.history),
            "losses": dict(self._losses),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, alarm in self.alarms.items():
            alarm.state = dict(state["alarms"].get(name, {}))
        self.triggered = set(state["triggered"])
        self.history[:] = state["history"]
        self._losses = dict(state["losses"])

    def handle_divergence(self, loggers: Iterable[Any], message: str) -> bool:
        """Report a loss that is not finite as the alarm that covers it; return whether to roll back."""
        for name, alarm in self.alarms.items():
            if alarm.covers_divergence:
                action, _ = self._trigger(loggers, name, alarm, message)
                return action == "rollback"
        return False

    def _check_losses(self, trainer: pl.Trainer, row: Mapping[str, float]) -> None:
        # A schedule may train one network for a whole epoch: the other's newest value stays.
        self._losses |= {name: value for name, value in row.items() if "/" in name}
        self._check(trainer, "losses", {})

    def _check_evaluation(self, trainer: pl.Trainer, values: Mapping[str, float], at_end: bool) -> None:
        self._check(trainer, "evaluation", values, at_end)

    def _check(self, trainer: pl.Trainer, watched: str, evaluation: Mapping[str, float], at_end: bool = False) -> None:
        adversarial = {}
        for network in ("discriminator", "generator"):
            keys = [f"{network}/{name}" for name in sorted(self.module.adversarial)]
            if known := [self._losses[key] for key in keys if key in self._losses]:
                adversarial[network] = sum(known)
        inputs = AlarmInputs(module=self.module, losses=self._losses, adversarial=adversarial, evaluation=evaluation)
        for name, alarm in self.alarms.items():
            if alarm.watches != watched:
                continue
            message = alarm.check(inputs)
            if not message:
                self.triggered.discard(name)
            elif name not in self.triggered:  # reported once, until the condition has ended
                self.triggered.add(name)
                action, text = self._trigger(trainer.loggers, name, alarm, message, at_end)
                if action == "rollback":
                    raise RollbackError(text)
                if action == "stop":
                    raise AlarmError(f"{text} Stopped (alarms.{name}.action={alarm.action}).")

    def _trigger(
        self, loggers: Iterable[Any], name: str, alarm: Alarm, message: str, at_end: bool = False
    ) -> tuple[str, str]:
        """Report an alarm; return the action, which at the end of training is `warn`, and the whole message."""
        clock = self.module.clock
        action = "warn" if at_end else alarm.action
        if action == "rollback" and clock.rollbacks >= alarm.max_rollbacks:
            action, message = "stop", f"{message} The run has been rolled back {clock.rollbacks} times already."
        self.history.append(
            {"alarm": name, "iteration": clock.iterations, "kimg": clock.kimg, "action": action, "message": message}
        )
        text = f"Alarm {name} at {clock.kimg:,.1f} kimg: {message}"
        log.warning("%s", text)
        for logger in run_loggers(loggers):
            logger.alert(name, message)
        for listener in self.status.on_alarm:
            listener()
        return action, text
