"""One run: build its parts, open its directory, train, write down what came of it."""

import contextlib
import json
import logging
import shlex
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors.torch import save

from gan_experiments.build import Experiment, build
from gan_experiments.callbacks.budget import share_spent
from gan_experiments.callbacks.checkpoints import keeping_signals
from gan_experiments.callbacks.errors import AlarmError, DivergenceError, RollbackError
from gan_experiments.config.compose import Composition
from gan_experiments.datasets.loader import fingerprint
from gan_experiments.engine.clock import Clock
from gan_experiments.io import is_rank_zero, write_atomically, write_json
from gan_experiments.loggers.base import run_loggers
from gan_experiments.models.summary import count_parameters, format_table, table_facts
from gan_experiments.reports.losses import plot_losses
from gan_experiments.runs.launch import Launch
from gan_experiments.runs.manifest import FILE, Manifest, versions
from gan_experiments.runs.metrics_csv import SPEED, read_metrics
from gan_experiments.runs.networks import generator_weights
from gan_experiments.runs.run import BEST, Run, list_checkpoints, load_checkpoint, locked, resuming
from gan_experiments.sampling.images import save_grid
from gan_experiments.types import UserError

log = logging.getLogger(__name__)


def train(composition: Composition, directory: str | Path | None = None) -> Run:
    """Train what `compose` returns to its end, as `python -m gan_experiments` does, and return the run.

    Args:
        composition: from `compose`.
        directory: the run's; by default `outputs/NAME/TIME`, where NAME is the experiment or else the data set.

    Raises:
        UserError: the directory holds a run already, or something in the config cannot work.
        RunFailedError: training diverged, or an alarm stopped it.

    Example:
        >>> from gan_experiments import compose
        >>> run = train(compose("digits_acgan", "budget.kimg=1", "evaluation=none", "trainer=cpu"), "runs/short")
        >>> run.state, run.generator().sample(16, seed=1).pixels.shape
        ('finished', torch.Size([16, 1, 8, 8]))
    """
    if composition.config.resume is not None:
        raise UserError("train() starts a run; go on with one by python -m gan_experiments resume=RUN.")
    name = composition.choices.get("experiment") or composition.config.dataset.name
    path = Path(directory or Path("outputs") / str(name) / time.strftime("%Y-%m-%d_%H-%M-%S")).absolute()
    if (path / FILE).exists():
        raise UserError(f"{path} already holds a run: choose another directory.")
    run(Launch(path, composition.config, composition.overrides, composition.choices, parts=composition.parts))
    return Run.open(path, str(path))


def run(launch: Launch) -> dict[str, Any]:
    """Train as the launch asks, or go on with the run that it resumes; return the final results.

    Raises:
        UserError: something in the config cannot work; raised before data are fetched or anything is written.
        DivergenceError: a loss became infinite or not a number.
        SystemExit: the run was stopped by a signal, after saving.
    """
    _quiet_lightning()
    with contextlib.ExitStack() as stack:
        state = None
        if launch.resumed is not None:
            if is_rank_zero():
                stack.enter_context(locked(launch.directory))
            path, state = launch.resumed.last_checkpoint()
            results = _results_if_finished(launch, Clock(**state["clock"]))
            if results is not None:
                log.info("The run is finished; a larger budget (such as budget.epochs=...) trains on.")
                return results
            log.info("Going on from %s", path)
        manifest = _manifest(launch)
        experiment = build(launch.config, launch.directory, manifest, launch.parts, is_new=state is None)
        if launch.resumed is not None:
            launch.resumed.check_data(experiment.data.fingerprint)
        else:
            launch.directory.mkdir(parents=True, exist_ok=True)
            if is_rank_zero():
                stack.enter_context(locked(launch.directory))
        stack.enter_context(_log_file(launch.directory))
        if state is not None:
            experiment.load_state_dict(state)
        session = Session(launch, experiment, manifest)
        try:
            results = session.fit()
        except Exception:  # not where a signal has stopped it: it will go on
            session.write_report()
            raise
        session.write_report()
        return results


class Session:
    """One execution of a run, from its first or its newest iteration to its end or its interruption."""

    def __init__(self, launch: Launch, experiment: Experiment, manifest: Manifest) -> None:
        self.launch, self.experiment, self.manifest = launch, experiment, manifest
        self.directory, self.module, self.callbacks = launch.directory, experiment.module, experiment.callbacks
        manifest.begin_session(launch.overrides, self.module.clock.iterations, experiment.device)
        self.callbacks.status.on_alarm.append(lambda: self._write_manifest("running", None))
        manifest.alarms = self.callbacks.alarms.history

    def fit(self) -> dict[str, Any]:
        """Train, write the results and close the loggers, however it ends."""
        config, loggers = self.launch.config, run_loggers(self.experiment.loggers)
        status, code, error = "failed", 1, None
        results: dict[str, Any] = {}
        try:
            log.info("Training %s on %s, on %s.", config.model.name, config.dataset.name, self.experiment.device)
            log.info("Everything goes to %s; Ctrl-C saves and stops.", self.directory)
            self._write_parts()
            self._write_manifest("running", None)
            for logger in loggers:
                logger.start()
            while not self._train():
                pass
            results = self._write_results()
            self._log_samples()
            signal = self.callbacks.status.stop_signal
            status, code = ("finished", 0) if signal is None else ("interrupted", 128 + signal)
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
                self._log_best_generator()
            for logger in loggers:
                logger.close(results, code)
        self._log_end()
        return results

    def write_report(self) -> None:
        """Write the report of a run that has ended by itself; no failure of this is one of the run."""
        if not self.launch.config.get("report", True) or not is_rank_zero():
            return
        target = self.directory / "report.html"
        try:
            from gan_experiments.reports.lab_report import write_report  # training does not wait for them

            write_report([Run.read(self.directory)], target)
        except Exception as error:
            log.warning(
                "The report could not be written (%s: %s); `gan-experiments report %s` writes it.",
                type(error).__name__,
                error,
                shlex.quote(str(self.directory)),
            )
        else:
            log.info("Report: %s", target)

    def _train(self) -> bool:
        """Train to the end; False after a rollback, to go on from there."""
        try:
            with keeping_signals():
                self.experiment.fit()
        except RollbackError as error:
            self._roll_back(error)
        except DivergenceError as error:
            if not self.callbacks.alarms.handle_divergence(self.experiment.loggers, str(error)):
                raise
            self._roll_back(error)
        else:
            return True
        return False

    def _roll_back(self, reason: Exception) -> None:
        """Go back to the best checkpoint, or to the oldest that is kept."""
        directory = self.directory / "checkpoints"
        paths = [path for path in (directory / BEST, *list_checkpoints(directory)) if path.exists()]
        if not paths:
            raise AlarmError(f"{reason} There is no checkpoint to go back to (checkpoint_every_kimg).") from reason
        clock = self.module.clock
        before = clock.iterations
        self.experiment.roll_back(load_checkpoint(paths[0]))
        self.manifest.rollbacks.append({"from": before, "to": clock.iterations, "reason": str(reason)})
        log.warning(
            "Rolled back from iteration %d to %d (%s), with another random stream; rollback %d.",
            before,
            clock.iterations,
            paths[0].name,
            clock.rollbacks,
        )
        self._write_manifest("running", None)

    def _write_parts(self) -> None:
        """Write what is known before the first iteration: data, parameters, layers, pictures of the regime."""
        experiment, module = self.experiment, self.module
        if self.launch.resumed is None:
            self.manifest.parameters = {name: count_parameters(module.get_submodule(name)) for name in module.networks}
            self.manifest.data = {
                "fingerprint": experiment.data.fingerprint,
                "source_fingerprint": fingerprint(experiment.data.whole),  # reads all images; a resumed run knows it
                "num_train": len(experiment.data.training),
            }
        self.manifest.data |= experiment.data.facts
        if is_rank_zero():
            tables = {name: (module.get_submodule(name), rows) for name, rows in experiment.tables.items()}
            text = "\n".join(format_table(name, *table) for name, table in tables.items())
            write_atomically(self.directory / "networks.txt", lambda file: file.write(text.encode()))
            write_json(self.directory / "networks.json", {name: table_facts(*table) for name, table in tables.items()})
            for name, pixels in experiment.data.pictures.items():
                save_grid(pixels, 10, self.directory / name)

    def _write_results(self) -> dict[str, Any]:
        clock, rows = self.module.clock, read_metrics(self.directory / "metrics.csv")
        trained = [row for row in rows if row.kind == "training"]
        speeds = [row[SPEED] for row in trained]
        last = trained[-1] if trained else {}
        samples, evaluation = self.callbacks.samples, self.callbacks.evaluation
        results: dict[str, Any] = {
            "iterations": clock.iterations,
            "kimg": clock.kimg,
            "epochs": clock.iterations / self.module.batches_per_epoch,
            "discriminator_steps": clock.discriminator_steps,
            "generator_steps": clock.generator_steps,
            **({} if samples is None else {"share_of_pixels_clipped": samples.share_clipped}),
            "median_images_per_second": statistics.median(speeds) if speeds else None,
            **{name: value for name, value in last.items() if "/" in name},
        }
        if evaluation is not None and evaluation.latest is not None:
            if evaluation.evaluated == clock.iterations:
                results |= evaluation.values
            results["evaluation"] = {
                "iteration": evaluation.evaluated,
                "values": {key: value.to_json() for key, value in evaluation.latest.values.items()},
                "not_applicable": evaluation.latest.not_applicable,
                "best": evaluation.best,
            }
        if is_rank_zero():
            write_json(self.directory / "results.json", results)
            title = self.manifest.experiment or self.launch.config.dataset.name
            plot_losses(rows, self.directory / "losses.png", title)
        return results

    def _log_samples(self) -> None:
        """Hand the images of the last grid to the loggers that lay them out by themselves."""
        samples = self.callbacks.samples
        if samples is None or samples.newest is None or self.callbacks.status.stop_signal is not None:
            return
        labels = samples.labels.tolist() if samples.conditional else []
        images = samples.newest.pixels.permute(0, 2, 3, 1).numpy()
        class_names = list(self.launch.config.dataset.class_names)
        for logger in run_loggers(self.experiment.loggers):
            logger.log_samples(images, labels, class_names, self.module.clock.kimg)

    def _log_best_generator(self) -> None:
        """Hand the best generator to the loggers that keep models; nothing where none was ever measured.

        It is three files: `generator.safetensors`, the weights under the generator's own names; `config.json`, from
        which it can be built; `metrics.json`, all that was measured of it, with protocols.
        """
        path, loggers = self.directory / "checkpoints" / BEST, run_loggers(self.experiment.loggers)
        if not loggers or not path.exists() or not is_rank_zero():
            return
        try:
            state = load_checkpoint(path)
            chosen_by, values = state["chosen_by"], state["measured"]
            networks, averaged = generator_weights(state["networks"])
            if not networks:  # a task without a generator
                return
            # Copies: safetensors takes neither another memory format nor weights that two layers share.
            weights = {name: value.clone(memory_format=torch.contiguous_format) for name, value in networks.items()}
            files = {
                "generator.safetensors": save(weights),
                "config.json": json.dumps(self.manifest.config, indent=2).encode(),
                "metrics.json": json.dumps({"chosen_by": chosen_by, "values": values}, indent=2).encode(),
            }
        except Exception as error:  # a damaged or older file: the run is what matters
            log.warning("%s cannot be handed to %d loggers (%s).", path, len(loggers), error)
            return
        for logger in loggers:
            logger.log_model(files, {**chosen_by, "weights": "EMA" if averaged else "raw", "values": values})

    def _write_manifest(self, status: str, error: str | None) -> None:
        """Write how the run stands; at its start already, so that a kill leaves a trace of this session."""
        self.manifest.update(status, self.module.clock.iterations, error)
        self.manifest.write(self.directory)

    def _log_end(self) -> None:
        clock, signal = self.module.clock, self.callbacks.status.stop_signal
        where = f"iteration {clock.iterations} ({clock.kimg:,.1f} kimg)"
        if signal is not None:
            log.info("Stopped by %s at %s; saved.", signal.name, where)
            log.info("Go on with: python -m gan_experiments %s", resuming(self.directory))
            raise SystemExit(128 + signal)
        grids = sorted((self.directory / "samples").glob("kimg_*.png"))
        pictures = [*map(str, grids[-1:]), str(self.directory / "losses.png")]
        log.info("Done: %s. Pictures:\n  %s", where, "\n  ".join(pictures))
        if self.experiment.protocol is not None and self.callbacks.samples is not None:
            log.info("All metrics, with intervals: gan-experiments evaluate %s", shlex.quote(str(self.directory)))


def _quiet_lightning() -> None:
    """Suppress Lightning's warnings about what is done on purpose."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        r"`isinstance\(treespec, LeafSpec\)`",
        r"Found \d+ module\(s\) in eval mode",
        r".*does not have many workers",
    ):
        warnings.filterwarnings("ignore", message)


def _results_if_finished(launch: Launch, clock: Clock) -> dict[str, Any] | None:
    """Return the results of a resumed run that has nothing left to do."""
    assert launch.resumed is not None
    batches_per_epoch = launch.resumed.manifest.data["num_train"] // launch.config.batch_size
    if share_spent(launch.config.budget, clock, batches_per_epoch) < 1:
        return None
    if launch.resumed.group("budget") != launch.config.budget:
        given = {f"budget.{unit}": value for unit, value in launch.config.budget.items() if value is not None}
        raise UserError(
            f"{given} is spent already: the run stands at iteration {clock.iterations} ({clock.kimg:g} kimg, "
            f"{clock.iterations / batches_per_epoch:g} epochs, {clock.generator_steps} generator steps). "
            f"Write a larger budget."
        )
    path = launch.directory / "results.json"
    if launch.resumed.manifest.status != "finished" or not path.exists():
        return None
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def _manifest(launch: Launch) -> Manifest:
    config: Any = OmegaConf.to_container(launch.config)
    if launch.resumed is None:
        return Manifest.new(config, launch.overrides, launch.choices)
    manifest = launch.resumed.manifest
    before, here = manifest.versions, versions()
    changed = [f"{name} {old} -> {here[name]}" for name, old in before.items() if here.get(name, old) != old]
    if changed:
        log.warning("Going on with other versions, so not bit for bit: %s", ", ".join(changed))
    manifest.config = config
    return manifest


@contextlib.contextmanager
def _log_file(directory: Path) -> Iterator[None]:
    """Write what is logged on the terminal to the run's own log too, and the error that ends the run."""
    if not is_rank_zero():
        yield
        return
    handler = logging.FileHandler(directory / "run.log", delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    only_file = logging.Logger("gan_experiments.run")  # the terminal shows the error by itself
    only_file.addHandler(handler)
    logging.getLogger().addHandler(handler)
    logging.getLogger("gan_experiments").setLevel(logging.INFO)
    try:
        yield
    except Exception as error:
        only_file.error("%s", error)
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
