"""One run: check, build, fit, write down, close."""

import contextlib
import json
import logging
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_experiments.assemble import assemble
from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.components import check_arguments
from gan_experiments.config import without_task_facts
from gan_experiments.data.pipeline import fingerprint
from gan_experiments.files import is_first_process, write_atomically, write_json
from gan_experiments.preparation import build_extractors, check_evaluation, prepare_protocol, prepare_training_images
from gan_experiments.runs import Launch, Run, locked
from gan_experiments.session import Session
from gan_experiments.tracking.manifest import new_manifest, versions
from gan_experiments.tracking.summary import count_parameters, format_table, table_facts
from gan_experiments.training.exact_state import load_networks, restore
from gan_experiments.training.module import TrainingModule
from gan_experiments.types import ImageSet, UserError

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
        from gan_experiments.records import read_record  # for training does not wait for them
        from gan_experiments.reporting.report import write_report

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
    """Give the results of a resumed run that has nothing left to do."""
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
