"""Alarms: failures of training, reported in plain words while they happen, and the callback that checks for them."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.errors import AlarmError, RollbackError
from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.gan import GAN
from gan_experiments.engine.module import TrainingModule
from gan_experiments.loggers.base import run_loggers
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import generate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlarmInputs:
    """What alarms look at."""

    module: TrainingModule
    losses: Mapping[str, float]  # the newest mean of each, as in metrics.csv
    adversarial: Mapping[str, float]  # for each network, the sum of its adversarial terms, where it is known
    evaluation: Mapping[str, float]  # values of an evaluation that has just been made, by key; else empty
    kimg: float


@dataclass(kw_only=True)
class Alarm:
    """An alarm is triggered when `check` returns a message; its `state` is saved with the run.

    Its `action`: `warn` logs it, `stop` saves and ends the run, `rollback` goes back to the best checkpoint and on from
    there with another random stream.
    """

    action: Literal["warn", "stop", "rollback"] = "warn"
    max_rollbacks: PositiveInt = 3  # after so many rollbacks of a run it stops
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
    """Checks each alarm when there is something to look at, keeps a history, and takes the action of the alarm."""

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
        inputs = AlarmInputs(self.module, self._losses, adversarial, evaluation, self.module.clock.kimg)
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


@dataclass(kw_only=True)
class Divergence(Alarm):
    """A loss or the norm of a network's gradient beyond a limit.

    A loss that is not finite stops every run; with `rollback` it is rolled back as for other alarms.
    """

    loss_limit: PositiveFloat = 1e3  # largest absolute value of a loss
    gradient_limit: PositiveFloat = 1e4  # largest norm of a network's last gradient

    covers_divergence = True

    def check(self, inputs: AlarmInputs) -> str:
        for name, value in inputs.losses.items():
            if abs(value) > self.loss_limit:
                return f"{name} is {value:.3g}: training diverges. Lower the learning rates, or add a penalty."
        for name in inputs.module.networks:
            gradients = [p.grad for p in inputs.module.get_submodule(name).parameters() if p.grad is not None]
            if gradients:
                norm = float(torch.nn.utils.get_total_norm(gradients))
                if not norm <= self.gradient_limit:
                    return (
                        f"the gradient of the {name} has the norm {norm:.3g}: training diverges. Clip it "
                        f"(optimizer.gradient_clip.{name}=1), or lower the learning rates."
                    )
        return ""


@dataclass(kw_only=True)
class OverpoweringDiscriminator(Alarm):
    """The discriminator's adversarial loss stays near zero while the generator's is high.

    The limits are for losses on logits such as cross-entropy (a lab report saw 1e-4 against 5 to 9 in this state);
    losses that fall below zero, such as Wasserstein's, say nothing here. It must last: many a healthy run looks
    like this for a while in its first tens of thousands of images.
    """

    discriminator_below: PositiveFloat = 0.01  # limit of the discriminator's loss
    generator_above: float = 4.0  # limit of the generator's loss
    for_kimg: PositiveFloat = 50.0  # how long both must hold, thousands of images

    def check(self, inputs: AlarmInputs) -> str:
        discriminator, generator = (inputs.adversarial.get(name) for name in ("discriminator", "generator"))
        if discriminator is None or generator is None:
            return ""
        holds = 0 <= discriminator < self.discriminator_below and generator > self.generator_above
        if not self.has_lasted(holds, inputs.kimg, self.for_kimg):
            return ""
        return (
            f"the discriminator tells real from generated with ease (loss {discriminator:.2g}, the generator's "
            f"{generator:.2g}), so the generator learns nothing. Train the generator more often "
            "(schedule.generator=2), or hold the discriminator back (+loss/term=r1, augment=crop, a lower "
            "optimizer.discriminator.lr)."
        )


@dataclass(kw_only=True)
class MutualDefeat(Alarm):
    """Both adversarial losses are near zero: while one trains, the other stands still and is beaten.

    For losses with a minimum at zero for each network, such as the non-saturating one. It happens where networks take
    turns for long; the newest loss of each counts.
    """

    below: PositiveFloat = 0.02  # limit of both losses
    for_kimg: PositiveFloat = 10.0  # how long both must hold, thousands of images

    def check(self, inputs: AlarmInputs) -> str:
        losses = [inputs.adversarial.get(name) for name in ("discriminator", "generator")]
        holds = all(loss is not None and 0 <= loss < self.below for loss in losses)
        if not self.has_lasted(holds, inputs.kimg, self.for_kimg):
            return ""
        discriminator, generator = losses
        return (
            f"both losses are near zero (discriminator {discriminator:.2g}, generator {generator:.2g}): each network "
            "beats the other's frozen state, and neither learns from the other. Let them take turns at each "
            "iteration: schedule=ratio."
        )


@dataclass(kw_only=True)
class ModeCollapse(Alarm):
    """`class_coverage` or `feature_diversity` falls below a share of its own best value, or stays low for too long."""

    falls_to: NonNegativeFloat = 0.5  # share of the best value so far, below which the alarm is triggered
    below: NonNegativeFloat = 0.3  # limit for either value, in itself
    after_kimg: NonNegativeFloat = 400.0  # when `below` begins to count: a new generator has little variety

    watches = "evaluation"

    def check(self, inputs: AlarmInputs) -> str:
        variety = ("class_coverage", "feature_diversity")
        watched = {key: value for key, value in inputs.evaluation.items() if key.partition("/")[0] in variety}
        self.state |= {key: max(value, self.state.get(key, 0.0)) for key, value in watched.items()}
        for key, value in watched.items():
            best = self.state[key]
            if value < self.falls_to * best or (value < self.below and inputs.kimg >= self.after_kimg):
                return (
                    f"the samples are alike: {key} is {value:.2g}, at its best {best:.2g}. Go back to an earlier "
                    "checkpoint (alarms.mode_collapse.action=rollback), add +loss/term=r1, or train on more images."
                )
        return ""


NUM_LATENTS = 32
DEAD = (
    "the generator makes the same image whatever the latent is: it is dead. Start anew with lower learning rates, or "
    "go back to an earlier checkpoint (alarms.dead_generator.action=rollback)."
)


@dataclass(kw_only=True)
class DeadGenerator(Alarm):
    """All latents give one image: pixels vary less over 32 latents (of one class) than by a share of their range."""

    below: PositiveFloat = 0.005  # limit of the mean standard deviation of a pixel, as a share of the range of values
    every_kimg: PositiveFloat = 25.0  # how often it is checked, thousands of images

    def check(self, inputs: AlarmInputs) -> str:
        gan = inputs.module
        if not isinstance(gan, GAN):
            return ""
        turn = inputs.kimg // self.every_kimg
        if turn == self.state.get("turn", 0.0):
            return DEAD if self.state.get("dead") else ""
        self.state["turn"] = turn
        stream = torch.Generator().manual_seed(stream_seed("dead generator"))
        latents = gan.latents.sample(NUM_LATENTS, stream)
        images = generate(gan.generator, latents, torch.zeros(NUM_LATENTS, dtype=torch.int64))
        spread = float(images.max() - images.min())
        variation = float(images.std(0).mean()) / spread if spread > 0 else 0.0
        self.state["dead"] = float(variation < self.below)
        return DEAD if self.state["dead"] else ""
