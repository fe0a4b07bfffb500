"""What an alarm sees and says, and the callback that asks all of them."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
from pydantic import PositiveInt
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.record import AlarmError, Record, RollbackError
from gan_experiments.engine.module import TrainingModule

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What alarms look at."""

    module: TrainingModule
    losses: Mapping[str, float]  # the newest mean of each, as in metrics.csv
    adversarial: Mapping[str, float]  # for each network, the sum of its adversarial terms, where it is known
    evaluation: Mapping[str, float] | None  # values of an evaluation that has just been made

    @property
    def kimg(self) -> float:
        return self.module.clock.kimg


@dataclass(kw_only=True)
class Alarm:
    """An alarm rings when `look` gives a sentence; `state` is what it remembers, and is saved with the run.

    Args:
        action: what happens when it rings: `warn` says it, `stop` saves and ends the run, `rollback` goes back to the
            best checkpoint and on from there with another random stream.
        max_rollbacks: after so many rollbacks of a run it stops.
    """

    action: Literal["warn", "stop", "rollback"] = "warn"
    max_rollbacks: PositiveInt = 3
    state: dict[str, float] = field(default_factory=dict, init=False)

    watches: ClassVar[Literal["losses", "evaluation"]] = "losses"
    """When it is asked: at each row of losses, or after each evaluation."""
    hears_divergence: ClassVar[bool] = False
    """Whether a loss that is no number, which ends training at once, is said under this alarm."""

    def look(self, signals: Signals) -> str:
        """Say in plain words what is wrong; an empty string where nothing is."""
        raise NotImplementedError

    def lasts(self, holds: bool, kimg: float, for_kimg: float) -> bool:
        """Return whether a condition has held without a break for `for_kimg` thousand images."""
        if not holds:
            self.state.pop("since_kimg", None)
            return False
        return kimg - self.state.setdefault("since_kimg", kimg) >= for_kimg


class Alarms(Callback):
    """Asks each alarm when it has something to look at, writes down what it says, and does as its action says.

    Args:
        module: the networks.
        alarms: by name.
        record: the newest losses.
    """

    def __init__(self, module: TrainingModule, alarms: Mapping[str, Alarm], record: Record) -> None:
        self.module = module
        self.alarms = alarms
        self.record = record
        self.written: list[dict[str, Any]] = []  # what was said, for the manifest
        self.on_ringing: Callable[[], None] = lambda: None
        self.ringing: set[str] = set()
        self.adversarial = module.adversarial
        self._losses: dict[str, float] = {}
        self._asked = -1

    def state_dict(self) -> dict[str, Any]:
        return {
            "alarms": {name: alarm.state for name, alarm in self.alarms.items()},
            "ringing": sorted(self.ringing),
            "written": list(self.written),
            "losses": dict(self._losses),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, alarm in self.alarms.items():
            alarm.state = dict(state["alarms"].get(name, {}))
        self.ringing = set(state["ringing"])
        self.written[:] = state["written"]
        self._losses = dict(state["losses"])
        self._asked = -1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        row = self.record.latest
        if row and row["iteration"] == self.module.clock.iterations != self._asked:
            self._asked = self.module.clock.iterations
            # A schedule may train one network for a whole epoch: the other's newest value stays.
            self._losses |= {name: value for name, value in row.items() if "/" in name}
            self._ask(trainer, "losses", None)

    def after_evaluation(self, trainer: pl.Trainer, values: Mapping[str, float], at_the_end: bool = False) -> None:
        """Ask the alarms that watch evaluations; at the end of training they can but warn."""
        self._ask(trainer, "evaluation", values, at_the_end)

    def diverged(self, loggers: Iterable[Any], message: str) -> bool:
        """Say under the alarm that watches for divergence that a loss is no number; True: roll back."""
        for name, alarm in self.alarms.items():
            if alarm.hears_divergence:
                action, _ = self._say(loggers, name, alarm, message)
                return action == "rollback"
        return False

    def _ask(
        self,
        trainer: pl.Trainer,
        watched: str,
        evaluation: Mapping[str, float] | None,
        at_the_end: bool = False,
    ) -> None:
        sums: dict[str, float] = {}
        for network in ("discriminator", "generator"):
            shares = [self._losses.get(f"{network}/{name}") for name in self.adversarial]
            known = [share for share in shares if share is not None]
            if known:
                sums[network] = sum(known)
        signals = Signals(module=self.module, losses=self._losses, adversarial=sums, evaluation=evaluation)
        for name, alarm in self.alarms.items():
            if alarm.watches != watched:
                continue
            message = alarm.look(signals)
            if not message:
                self.ringing.discard(name)
            elif name not in self.ringing:  # said once, until it has been quiet
                self.ringing.add(name)
                action, text = self._say(trainer.loggers, name, alarm, message, at_the_end)
                if action == "rollback":
                    raise RollbackError(text)
                if action == "stop":
                    raise AlarmError(f"{text} Stopped (alarms.{name}.action={alarm.action}).")

    def _say(
        self, loggers: Iterable[Any], name: str, alarm: Alarm, message: str, at_the_end: bool = False
    ) -> tuple[str, str]:
        """Write down what an alarm says; gives what is to be done, and the whole sentence."""
        clock = self.module.clock
        action = "warn" if at_the_end else alarm.action
        if action == "rollback" and clock.rollbacks >= alarm.max_rollbacks:
            action, message = "stop", f"{message} The run has been rolled back {clock.rollbacks} times already."
        self.written.append(
            {"alarm": name, "iteration": clock.iterations, "kimg": clock.kimg, "action": action, "message": message}
        )
        text = f"Alarm {name} at {clock.kimg:,.1f} kimg: {message}"
        log.warning("%s", text)
        for logger in loggers:
            if hasattr(logger, "alert"):
                logger.alert(name, message)
        self.on_ringing()
        return action, text
