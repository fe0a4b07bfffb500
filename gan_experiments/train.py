"""One run: check, build, fit, write down, close."""

import contextlib
import json
import logging
import math
import os
import shlex
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from gan_experiments.build import (
    Gear,
    assemble,
    build_extractors,
    build_trackers,
    check_evaluation,
    gear_up,
    log_best_generator,
    log_samples,
    prepare_protocol,
    prepare_training_images,
)
from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.checkpoints import keeping_signals
from gan_experiments.callbacks.record import AlarmError, DivergenceError, RollbackError
from gan_experiments.config.instantiate import check_arguments, instantiate
from gan_experiments.config.schema import without_task_facts
from gan_experiments.datasets.loader import fingerprint
from gan_experiments.engine.module import TrainingModule
from gan_experiments.engine.state import load_networks, restore
from gan_experiments.io import is_first_process, write_atomically, write_json
from gan_experiments.loggers.base import hooks
from gan_experiments.loggers.csv import LocalRecord
from gan_experiments.metrics.evaluate import summarize
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.models.summary import count_parameters, format_table, table_facts
from gan_experiments.reports.losses import plot_losses
from gan_experiments.runs.checkpoints import list_checkpoints, load_checkpoint
from gan_experiments.runs.launch import Launch
from gan_experiments.runs.manifest import FILE, git_state, new_manifest, now, versions
from gan_experiments.runs.metrics_csv import TRAINING_MARK, read_metrics
from gan_experiments.runs.run import Run, locked, resuming
from gan_experiments.types import ImageSet, UserError

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
        trainer: pl.Trainer = instantiate(self.cfg.trainer, "trainer")(
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


log = logging.getLogger(__name__)


def run(launch: Launch) -> dict[str, Any]:
    """Train as the launch says, or go on with the run that it resumes; returns the final results.

    Raises:
        UserError: something in the config cannot work; raised before data are fetched or anything is written.
        DivergenceError: a loss became infinite or not a number.
        SystemExit: the run was stopped by a signal, after saving.
    """
    check_arguments(without_task_facts(launch.config))
    _quiet_lightning()
    with contextlib.ExitStack() as stack:
        if launch.resumed is not None:
            stack.enter_context(locked(launch.directory))
        module, tables = assemble(launch.config)
        extractors = build_extractors(launch.config)
        check_evaluation(launch.config, extractors)
        saved = _load_weights(launch, module)
        finished = _finished_results(launch, module)
        if finished is not None:
            log.info("The run is finished; a larger budget (such as budget.epochs=...) trains on.")
            return finished
        images = prepare_training_images(launch.config)
        whole, train_set = images.whole, images.used
        module.batches_per_epoch = len(train_set) // launch.config.batch_size
        content = fingerprint(train_set)
        if launch.resumed is not None:
            launch.resumed.check_data(content)
        protocol = prepare_protocol(launch.config, extractors, whole, train_set)
        if launch.resumed is None:
            launch.directory.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(launch.directory))
        manifest = _manifest(launch, module, len(train_set), content, whole)
        manifest["data"] |= images.facts
        stack.enter_context(_log_file(launch.directory))
        text = "\n".join(format_table(name, getattr(module, name), rows) for name, rows in tables.items())
        if is_first_process():
            write_atomically(launch.directory / "networks.txt", lambda file: file.write(text.encode()))
            facts = {name: table_facts(getattr(module, name), rows) for name, rows in tables.items()}
            write_json(launch.directory / "networks.json", facts)
            images.save_pictures(launch.directory)
        session = Session(launch, module, train_set, protocol, manifest, saved)
        try:
            results = session.fit()
        except Exception:  # not of a signal, after which it will go on
            _write_report(launch)
            raise
        _write_report(launch)
        return results


def _write_report(launch: Launch) -> None:
    """Write the report of a run that has ended; the run is what matters, so no failure of this is one of it."""
    if not launch.config.get("report", True) or not is_first_process():
        return
    try:
        from gan_experiments.reports.lab_report import write_report
        from gan_experiments.runs.records import read_record  # for training does not wait for them

        target = launch.directory / "report.html"
        write_report([read_record(launch.directory)], target)
    except Exception as error:
        log.warning(
            "The report could not be written (%s: %s); `gan-experiments report %s` writes it.",
            type(error).__name__,
            error,
            shlex.quote(str(launch.directory)),
        )
    else:
        log.info("Report: %s", target)


def _quiet_lightning() -> None:
    """Leave out what Lightning says of things that are meant to be so."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        r"`isinstance\(treespec, LeafSpec\)`",
        r"Found \d+ module\(s\) in eval mode",
        r".*does not have many workers",
    ):
        warnings.filterwarnings("ignore", message)


def _load_weights(launch: Launch, module: TrainingModule) -> dict[str, Any] | None:
    """Put back a resumed run's state, or take over another run's weights; gives the checkpoint of a resumed run."""
    if launch.resumed is not None:
        path, state = launch.resumed.last_checkpoint()
        restore(module, state)
        module.batches_per_epoch = launch.resumed.manifest["data"]["num_train"] // launch.config.batch_size
        log.info("Going on from %s", path)
        return state
    if launch.config.init_from is not None:
        path, state = Run.open(launch.config.init_from, f"init_from={launch.config.init_from}").last_checkpoint()
        try:
            load_networks(module, state["networks"])
        except UserError as error:
            raise UserError(f"init_from={launch.config.init_from}: {error}. Choose the model of that run.") from error
        log.info("Weights taken from %s", path)
    return None


def _finished_results(launch: Launch, module: TrainingModule) -> dict[str, Any] | None:
    """Return the results of a resumed run that has nothing left to do."""
    if launch.resumed is None or BudgetCallback(module, **launch.config.budget).share_spent() < 1:
        return None
    if launch.resumed.config.budget != launch.config.budget:
        clock = module.clock
        given = {f"budget.{unit}": value for unit, value in launch.config.budget.items() if value is not None}
        raise UserError(
            f"{given} is spent already: the run stands at iteration {clock.iterations} ({clock.kimg:g} kimg, "
            f"{clock.iterations / module.batches_per_epoch:g} epochs, {clock.generator_steps} generator steps). "
            f"Write a larger budget."
        )
    path = launch.directory / "results.json"
    if launch.resumed.manifest["status"] != "finished" or not path.exists():
        return None
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def _manifest(launch: Launch, module: TrainingModule, num_train: int, content: str, whole: ImageSet) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(launch.config)
    if launch.resumed is None:
        manifest = new_manifest(config, launch.overrides, launch.choices)
        manifest["parameters"] = {name: count_parameters(module.get_submodule(name)) for name in module.networks}
        source = fingerprint(whole)  # reads all images, and a resumed run knows it
        manifest["data"] = {"fingerprint": content, "source_fingerprint": source, "num_train": num_train}
    else:
        manifest = launch.resumed.manifest
        _warn_of_versions(manifest["versions"])
        manifest["config"] = config
    return manifest


def _warn_of_versions(before: dict[str, str]) -> None:
    here = versions()
    changed = [f"{name} {old} -> {here[name]}" for name, old in before.items() if here.get(name, old) != old]
    if changed:
        log.warning("Going on with other versions, so not bit for bit: %s", ", ".join(changed))


@contextlib.contextmanager
def _log_file(directory: Path) -> Iterator[None]:
    """Write what is said on the terminal to the run's own log too, and the error that ends it."""
    if not is_first_process():
        yield
        return
    handler = logging.FileHandler(directory / "run.log", delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("gan_experiments").setLevel(logging.INFO)
    try:
        yield
    except Exception as error:
        handler.emit(log.makeRecord(log.name, logging.ERROR, __file__, 0, "%s", (error,), None))
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
