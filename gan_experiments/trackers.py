"""The trackers of a run: made from its config, told what can only be said at its end."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from safetensors.torch import save

from gan_experiments.callbacks.checkpoints import load_checkpoint
from gan_experiments.callbacks.samples import Samples
from gan_experiments.components import build
from gan_experiments.files import is_first_process
from gan_experiments.tracking.base import About, hooks
from gan_experiments.tracking.naming import run_name
from gan_experiments.trained import own_weights

log = logging.getLogger(__name__)


def build_trackers(cfg: DictConfig, directory: Path, manifest: dict[str, Any]) -> list[Logger]:
    """Build the loggers of a config; those that are partial are told of the run.

    Args:
        cfg: the resolved config.
        directory: the run's.
        manifest: of the run; keeps the identities that trackers give it, and the sweep that it belongs to.
    """
    choices = manifest["choices"]
    sweep = manifest.setdefault("sweep", _sweep())
    about = About(
        directory=directory,
        name=cfg.name or run_name(choices, manifest["overrides"], cfg.seed),
        group=sweep or str(choices.get("experiment") or choices.get("dataset")),
        config={**manifest["config"], "choices": choices},
        tags=list(cfg.tags),
        notes=cfg.notes,
        run_ids=manifest.setdefault("tracker_ids", {}),
    )
    built = build(cfg.logger, "logger") or {}
    return [tracker(about=about) if callable(tracker) else tracker for tracker in built.values()]


def _sweep() -> str | None:
    """Give the name of the directory of the sweep that is running, if one is."""
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return None
    return Path(HydraConfig.get().sweep.dir).name


def log_samples(trackers: Iterable[Logger], samples: Samples, class_names: list[str]) -> None:
    """Hand the images of the last grid to the trackers that lay them out by themselves."""
    if samples.pixels is None:  # another process has drawn them
        return
    labels = samples.labels.tolist() if samples.conditional else []
    for hook in hooks(trackers, "log_samples"):
        hook(samples.pixels.permute(0, 2, 3, 1).numpy(), labels, class_names, samples.gan.clock.kimg)


def log_best_generator(trackers: Iterable[Logger], directory: Path, config: dict[str, Any]) -> None:
    """Hand the best generator to the trackers that keep models; nothing where none was ever measured.

    It is three files: `generator.safetensors`, the weights under the generator's own names; `config.json`, from which
    it can be built; `metrics.json`, all that was measured of it, with protocols.

    Args:
        trackers: of the run.
        directory: the run's.
        config: the run's, resolved.
    """
    path, wanting = directory / "checkpoints" / "best.pt", hooks(trackers, "log_model")
    if not wanting or not path.exists() or not is_first_process():
        return
    try:
        state = load_checkpoint(path)
        chosen_by, values = state["chosen_by"], state["measured"]
        own, averaged = own_weights(state["networks"])
        if not own:  # a task without a generator
            return
        # Copies: safetensors takes neither another memory format nor weights that two layers share.
        weights = {name: value.clone(memory_format=torch.contiguous_format) for name, value in own.items()}
        files = {
            "generator.safetensors": save(weights),
            "config.json": json.dumps(config, indent=2).encode(),
            "metrics.json": json.dumps({"chosen_by": chosen_by, "values": values}, indent=2).encode(),
        }
    except Exception as error:  # a damaged or older file: the run is what matters
        log.warning("%s cannot be handed to %d trackers (%s).", path, len(wanting), error)
        return
    facts = {**chosen_by, "weights": "EMA" if averaged else "raw", "values": values}
    for hook in wanting:
        hook(files, facts)
