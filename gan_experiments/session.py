"""One execution of a run, from its first or its latest iteration to its end or its interruption."""

import contextlib
import logging
import math
import os
import shlex
import statistics
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from gan_experiments.callbacks.checkpoints import (
    keeping_signals,
    list_checkpoints,
    load_checkpoint,
)
from gan_experiments.callbacks.record import AlarmError, DivergenceError, RollbackError
from gan_experiments.components import build
from gan_experiments.evaluation.evaluate import summarize
from gan_experiments.evaluation.protocol import Protocol
from gan_experiments.files import is_first_process, write_json
from gan_experiments.gear import Gear, gear_up
from gan_experiments.runs import Launch, resuming
from gan_experiments.trackers import build_trackers, log_best_generator, log_samples
from gan_experiments.tracking.base import hooks
from gan_experiments.tracking.local import LocalRecord
from gan_experiments.tracking.manifest import FILE, git_state, now, versions
from gan_experiments.tracking.plots import plot_losses
from gan_experiments.tracking.rows import TRAINING_MARK, read_metrics
from gan_experiments.training.exact_state import restore
from gan_experiments.training.module import TrainingModule
from gan_experiments.types import ImageSet

log = logging.getLogger(__name__)


class Session:
    """Callbacks, loggers and data around a task, and what becomes of them."""

    def __init__(
        self,
        launch: Launch,
        module: TrainingModule,
        train_set: ImageSet,
        protocol: Protocol | None,
        manifest: dict[str, Any],
        saved: dict[str, Any] | None,
    ) -> None:
        cfg, directory = launch.config, launch.directory
        self.cfg, self.directory, self.module, self.manifest = cfg, directory, module, manifest
        self.train_set, self.protocol = train_set, protocol
        self.began = time.perf_counter()
        self.entry: dict[str, Any] = {
            "started": now(),
            "overrides": launch.overrides,
            "from_iteration": module.clock.iterations,
            "versions": versions(),
            "git": git_state(Path(__file__).parent),
        }
        self.local = LocalRecord(directory / "metrics.csv")
        self.gear = self._gear(saved, rolled_back=False)
        self.trackers = build_trackers(cfg, directory, manifest)

    def _gear(self, saved: dict[str, Any] | None, rolled_back: bool) -> Gear:
        gear = gear_up(
            self.cfg, self.directory, self.module, self.train_set, self.protocol, self.local, saved, rolled_back
        )
        self.manifest["alarms"] = gear.alarms.written
        gear.alarms.on_ringing = lambda: self._write_manifest("running", None)
        return gear

    def fit(self) -> dict[str, Any]:
        """Train, write down and close, however it ends."""
        status, code, error = "failed", 1, None
        results: dict[str, Any] = {}
        try:
            self._trainer()  # so that what it refuses is known before anything is said or opened
            log.info("Training %s on %s, on %s.", self.cfg.model.name, self.cfg.dataset.name, self.entry["device"])
            log.info("Everything goes to %s; Ctrl-C saves and stops.", self.directory)
            self.manifest["sessions"].append(self.entry)
            self._write_manifest("running", None)
            for start in hooks(self.trackers, "start"):
                start()
            while not self._train():
                pass
            signal = self.gear.checkpoints.stopped_by
            status, code = ("finished", 0) if signal is None else ("interrupted", 128 + signal)
            results = self._write_results()
            if signal is None and self.gear.samples is not None:
                log_samples(self.trackers, self.gear.samples, list(self.cfg.dataset.class_names))
        except (KeyboardInterrupt, SystemExit):
            status, code = "interrupted", 130
            raise
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            raise
        finally:
            with contextlib.suppress(OSError):  # a full disk: the older manifest stays whole
                self._write_manifest(status, error)
            if code < 128:  # else it will go on
                log_best_generator(self.trackers, self.directory, self.manifest["config"])
            for close in hooks(self.trackers, "close"):
                close(results, code)
        self._say_goodbye()
        return results

    def _train(self) -> bool:
        """Train to the end; False after a rollback, to go on from there."""
        try:
            with keeping_signals():
                self._trainer().fit(self.module, datamodule=self.gear.feed)
        except RollbackError as asked:
            self._roll_back(asked)
        except DivergenceError as error:
            if not self.gear.alarms.diverged(self.trackers, str(error)):
                raise
            self._roll_back(error)
        else:
            return True
        return False

    def _roll_back(self, reason: Exception) -> None:
        """Take the best checkpoint back, or the oldest that is kept, forget what came after, change the streams.

        Raises:
            AlarmError: there is no checkpoint.
        """
        directory = self.directory / "checkpoints"
        kept = [path for path in (directory / "best.pt", *list_checkpoints(directory)) if path.exists()]
        if not kept:
            raise AlarmError(f"{reason} There is no checkpoint to go back to (checkpoint_every_kimg).") from reason
        state = load_checkpoint(kept[0])
        rollbacks = self.module.clock.rollbacks + 1
        here = self.module.clock.iterations
        restore(self.module, state)
        self.module.clock.rollbacks = rollbacks
        back = self.module.clock.iterations
        self.manifest.setdefault("rollbacks", []).append({"from": here, "to": back, "reason": str(reason)})
        log.warning(
            "Rolled back from iteration %d to %d (%s), with another random stream; rollback %d.",
            here,
            back,
            kept[0].name,
            rollbacks,
        )
        before = self.gear
        self.gear = self._gear(state, rolled_back=True)
        self.gear.checkpoints.stopped_by = before.checkpoints.stopped_by
        self.gear.alarms.written[:] = before.alarms.written  # what was heard stays heard
        self._write_manifest("running", None)

    def _trainer(self) -> pl.Trainer:
        trainer: pl.Trainer = build(self.cfg.trainer, "trainer")(
            max_epochs=-1,
            logger=[self.local, *self.trackers],
            callbacks=self.gear.callbacks,
            default_root_dir=str(self.directory),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        device = trainer.strategy.root_device
        if device.type == "cpu":  # Lightning sets this; with it each of Adam's steps asks the driver for a GPU
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        threads = f" ({torch.get_num_threads()} threads)" if device.type == "cpu" else ""
        self.entry["device"] = f"{trainer.num_devices} × {device.type}{threads}"
        return trainer

    def _write_results(self) -> dict[str, Any]:
        clock, rows = self.module.clock, read_metrics(self.directory / "metrics.csv")
        trained = [row for row in rows if TRAINING_MARK in row]
        speeds = [row[TRAINING_MARK] for row in trained]
        last = trained[-1] if trained else {}
        results: dict[str, Any] = {
            "iterations": clock.iterations,
            "kimg": clock.kimg,
            "epochs": clock.iterations / self.module.batches_per_epoch,
            "discriminator_steps": clock.discriminator_steps,
            "generator_steps": clock.generator_steps,
            **({} if self.gear.samples is None else {"share_of_pixels_clipped": self.gear.samples.share_clipped}),
            "median_images_per_second": statistics.median(speeds) if speeds else None,
            **{name: value for name, value in last.items() if "/" in name},
        }
        if self.gear.evaluation is not None and self.gear.evaluation.latest is not None:
            evaluated = self.gear.evaluation.evaluated
            if evaluated == clock.iterations:
                results |= {key: value for key, value in self.gear.evaluation.values.items() if math.isfinite(value)}
            results["evaluation"] = {
                "iteration": evaluated,
                "values": summarize([self.gear.evaluation.latest]),
                "not_applicable": self.gear.evaluation.latest.not_applicable,
                "best": self.gear.evaluation.best,
            }
        if is_first_process():
            write_json(self.directory / "results.json", results)
            plot_losses(rows, self.directory / "losses.png", self.manifest.get("experiment") or self.cfg.dataset.name)
        return results

    def _write_manifest(self, status: str, error: str | None) -> None:
        """Write how the run stands; at its start already, so that a kill leaves a trace of this session."""
        self.entry |= {
            "ended": now(),
            "seconds": round(time.perf_counter() - self.began, 1),
            "status": status,
            "to_iteration": self.module.clock.iterations,
        }
        self.manifest |= {"status": status, "ended": self.entry["ended"], "error": error}
        if is_first_process():
            write_json(self.directory / FILE, self.manifest)

    def _say_goodbye(self) -> None:
        clock, signal = self.module.clock, self.gear.checkpoints.stopped_by
        where = f"iteration {clock.iterations} ({clock.kimg:,.1f} kimg)"
        if signal is not None:
            log.info("Stopped by %s at %s; saved.", signal.name, where)
            log.info("Go on with: python -m gan_experiments %s", resuming(self.directory))
            raise SystemExit(128 + signal)
        grids = sorted((self.directory / "samples").glob("kimg_*.png"))
        pictures = [*map(str, grids[-1:]), str(self.directory / "losses.png")]
        log.info("Done: %s. Pictures:\n  %s", where, "\n  ".join(pictures))
        if self.protocol is not None and self.gear.samples is not None:
            log.info("All metrics, with intervals: gan-experiments evaluate %s", shlex.quote(str(self.directory)))
