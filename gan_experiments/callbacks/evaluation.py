"""Evaluation while training: when it happens, which checkpoint is the best, and when to stop without progress."""

import logging
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.checkpoints import check_state
from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.engine.module import TrainingModule
from gan_experiments.loggers.base import run_loggers
from gan_experiments.metrics.evaluate import Results, discriminator_scores, evaluate
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.runs.manifest import read_json
from gan_experiments.runs.metrics_csv import Row

log = logging.getLogger(__name__)
MOST_SHOWN = 3  # values that are logged where `evaluation.best` names none
SEED = 0
"""Of the samples: the first of those that `gan-experiments evaluate` takes, so that the values are the same."""


@dataclass(eq=False, repr=False)
class Evaluation(Callback):
    """Evaluates every `every_kimg` thousand images and at the end, announces values and a new best one.

    Latents are the same at each evaluation, so that its values differ by the weights alone. Several processes share the
    samples, and all get the values.
    """

    module: TrainingModule
    protocol: Protocol
    every_kimg: float | None  # None: at the end alone
    best_name: str | None  # of the value, of the first extractor, that chooses the best checkpoint; None: none is kept
    patience_kimg: float | None  # training stops when the best has not improved for so long; None: never
    best_checkpoint: Path
    status: TrainingStatus

    def __post_init__(self) -> None:
        best = self.best_name
        self.best_key = None if best is None else self.protocol.key(best)
        self.higher_is_better = best is not None and self.protocol.spec(best).higher_is_better
        self.best: dict[str, Any] = {}
        self.best_values: dict[str, tuple[float, str]] = {}  # of each key, at whichever evaluation, and its protocol
        self.latest: Results | None = None
        self.last_row = 0  # iteration of the newest evaluation at the interval
        self.evaluated = -1  # iteration of the newest one

    @property
    def state_key(self) -> str:
        return "evaluation"

    def state_dict(self) -> dict[str, Any]:
        return {"best": dict(self.best), "best_values": dict(self.best_values), "last_row": self.last_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best, unless it was measured by another protocol, so that it cannot be compared."""
        self.last_row = state["last_row"]
        self.best, self.latest, self.evaluated = {}, None, -1
        self.best_values = dict(state.get("best_values", {}))
        # At the end of a run that is now extended, best.pt may have been chosen later than the state.
        is_whole = zipfile.is_zipfile(self.best_checkpoint)
        chosen_by = read_json(self.best_checkpoint.with_suffix(".json")) if is_whole else {}
        best = dict(chosen_by or state["best"])
        is_comparable = best and self.best_key == best["key"]
        if is_comparable and self.protocol.facts_of(best["key"].partition("/")[0]) == best.get("protocol"):
            self.best = best

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.every_kimg is not None and self.module.clock.passed(self.every_kimg, self.module.batch_size):
            self.last_row = self.module.clock.iterations
            self.evaluate(trainer, at_end=False)
            since = self.module.clock.kimg - self.best.get("kimg", self.module.clock.kimg)
            if self.patience_kimg is not None and since >= self.patience_kimg:
                log.info(
                    "%s has not improved on %.4g for %g kimg: stopping (evaluation.patience_kimg).",
                    self.best_key,
                    self.best["value"],
                    since,
                )
                trainer.should_stop = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate the end, unless the run was interrupted and will go on.

        The last checkpoint knows nothing of it: a run that is extended equals one that was longer from the start.
        """
        if self.evaluated != self.module.clock.iterations and not self.status.is_stopping:
            self.module.to(trainer.strategy.root_device)  # Lightning has taken it away by now
            self.evaluate(trainer, at_end=True)

    @property
    def values(self) -> dict[str, float]:
        """The newest values that are defined, by key."""
        assert self.latest is not None
        return {key: value.value for key, value in self.latest.values.items() if value.value is not None}

    def evaluate(self, trainer: pl.Trainer, at_end: bool) -> None:
        """Measure the generator that is shown, log the values, and keep the checkpoint if it is the best."""
        check_state(self.module, self.status)
        clock = self.module.clock
        results = evaluate(self.module.sampler, self.protocol, SEED, self.module.discriminator)
        results.values = {key: replace(value, kimg=clock.kimg) for key, value in results.values.items()}
        self.latest = results
        self.evaluated = clock.iterations
        finite = self.values
        row = Row({**clock.row(self.module.batches_per_epoch), **finite}, kind="evaluation")
        for logger in trainer.loggers:
            logger.log_metrics(row, step=clock.iterations)
        self._log_further(trainer, results)
        if self.best_key in finite:
            self._keep_best(trainer, finite[self.best_key], results)
            values = (clock.kimg, self.best_key, finite[self.best_key], self.best["value"], self.best["kimg"])
            log.info("Evaluated at %.1f kimg: %s %.4g; best %.4g at %.1f kimg.", *values)
        elif self.best_key is None and finite:
            text = ", ".join(f"{key} {value:.4g}" for key, value in list(finite.items())[:MOST_SHOWN])
            log.info("Evaluated at %.1f kimg: %s.", clock.kimg, text)
        for listener in self.status.on_evaluation:
            listener(trainer, finite, at_end)

    def _log_further(self, trainer: pl.Trainer, results: Results) -> None:
        """Hand over the best values so far and the discriminator's scores, where a tracker has use for them."""
        for key, number in self.values.items():
            value = results.values[key]
            best, protocol = self.best_values.get(key, (number, value.protocol_hash))
            better = max if value.spec.higher_is_better else min
            best = better(best, number) if protocol == value.protocol_hash else number
            self.best_values[key] = (best, value.protocol_hash)
        loggers = run_loggers(trainer.loggers)
        for logger in loggers:
            logger.log_best({key: value for key, (value, _) in self.best_values.items()})
        if loggers and trainer.is_global_zero:
            scores = discriminator_scores(self.module.sampler, self.module.discriminator, self.protocol, SEED)
            for logger in loggers:
                logger.log_scores(
                    {name: of_set.double().numpy() for name, of_set in scores.items()}, self.module.clock.kimg
                )

    def _keep_best(self, trainer: pl.Trainer, value: float, results: Results) -> None:
        if self.best and not (value > self.best["value"] if self.higher_is_better else value < self.best["value"]):
            return
        clock = self.module.clock
        assert self.best_key is not None
        self.best = {
            "key": self.best_key,
            "value": value,
            "iteration": clock.iterations,
            "kimg": clock.kimg,
            "seed": SEED,
            "protocol": dict(results.values[self.best_key].protocol),
        }
        measured = {key: value.to_json() for key, value in results.values.items()}
        for listener in self.status.on_new_best:
            listener(trainer, {"chosen_by": self.best, "measured": measured})
