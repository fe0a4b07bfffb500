"""One run: check, build, fit, write down, close."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_experiments.assemble import assemble
from gan_experiments.components import build, check_arguments
from gan_experiments.data.pipeline import fingerprint
from gan_experiments.runs import Launch, Run
from gan_experiments.session import Session
from gan_experiments.tracking.files import is_first_process, write_atomically
from gan_experiments.tracking.manifest import new_manifest, write_manifest
from gan_experiments.tracking.summary import count_parameters, format_table
from gan_experiments.training.exact_state import load_networks, restore
from gan_experiments.training.gan import GAN
from gan_experiments.types import ImageSet, UserError

log = logging.getLogger(__name__)


def run(launch: Launch) -> dict[str, Any]:
    """Train as the launch says, or go on with the run that it resumes; returns the final results.

    Raises:
        UserError: something in the config cannot work; raised before data are fetched or anything is written.
        DivergenceError: a loss became infinite or not a number.
        SystemExit: the run was stopped by a signal, after saving.
    """
    cfg = launch.config
    check_arguments(cfg)
    _quiet_lightning()
    gan, tables = assemble(cfg)
    saved = _load_weights(launch, gan)
    train_set: ImageSet = build(cfg.dataset.source, "dataset.source").open("train")
    manifest = _manifest(launch, gan, train_set)
    with _log_file(launch.directory):
        text = "\n".join(format_table(name, getattr(gan, name), rows) for name, rows in tables.items())
        if is_first_process():
            write_atomically(launch.directory / "networks.txt", lambda file: file.write(text.encode()))
        return Session(launch, gan, train_set, manifest, saved).fit()


def _quiet_lightning() -> None:
    """Leave out what Lightning says of things that are meant to be so."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        r"`isinstance\(treespec, LeafSpec\)`",
        r"Found \d+ module\(s\) in eval mode",
        r".*does not have many workers",
    ):
        warnings.filterwarnings("ignore", message)


def _load_weights(launch: Launch, gan: GAN) -> dict[str, Any] | None:
    """Put back a resumed run's state, or take over another run's weights; gives the checkpoint of a resumed run."""
    if launch.resumed is not None:
        path, state = launch.resumed.last_checkpoint()
        restore(gan, state)
        log.info("Going on from %s", path)
        return state
    if launch.config.init_from is not None:
        path, state = Run.open(launch.config.init_from).last_checkpoint()
        try:
            load_networks(gan, state["networks"])
        except UserError as error:
            raise UserError(f"init_from={launch.config.init_from}: {error}. Choose the model of that run.") from error
        log.info("Weights taken from %s", path)
    return None


def _manifest(launch: Launch, gan: GAN, train_set: ImageSet) -> dict[str, Any]:
    config = OmegaConf.to_container(launch.config)
    assert isinstance(config, dict)
    content = fingerprint(train_set)
    if launch.resumed is None:
        manifest = new_manifest({str(key): value for key, value in config.items()}, launch.overrides, launch.choices)
        networks = {"generator": gan.generator, "discriminator": gan.discriminator}
        manifest["parameters"] = {name: count_parameters(network) for name, network in networks.items()}
        manifest["data"] = {"fingerprint": content, "num_train": len(train_set)}
    else:
        for rest in launch.directory.rglob(".*.partial"):  # of a write that a kill cut short
            rest.unlink(missing_ok=True)
        manifest = launch.resumed.manifest
        launch.resumed.check_data(content)
        manifest["config"] = config
        manifest["status"] = "running"
    if is_first_process():
        launch.directory.mkdir(parents=True, exist_ok=True)
        write_manifest(launch.directory, manifest)
    return manifest


@contextlib.contextmanager
def _log_file(directory: Path) -> Iterator[None]:
    """Write what is said on the terminal to the run's own log too."""
    handler = logging.FileHandler(directory / "run.log", delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("gan_experiments").setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
