"""The networks of a run, rebuilt from a checkpoint to be used: no data, no trainer, and not the other network."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from gan_experiments.config.instantiate import add_code_dirs, check_arguments, instantiate
from gan_experiments.datasets.data import kept_labels
from gan_experiments.models.latents import build_latents
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import NetworkName, UserError

if TYPE_CHECKING:
    from gan_experiments.runs.run import Run, Weights

PREFIXES: dict["Weights", str] = {"averaged": "ema.network.", "raw": "generator."}


@dataclass(frozen=True)
class TrainedDiscriminator:
    """A discriminator in evaluation mode, float32 on the CPU, and what must be known to use it."""

    network: nn.Module
    checkpoint: Path
    iteration: int
    kimg: float
    class_names: Sequence[str]  # of the data set; empty where it has none
    image_shape: tuple[int, int, int]  # C×H×W
    value_range: tuple[float, float]  # black and white


def load_generator(run: "Run", checkpoint: str, weights: "Weights") -> Sampler:
    """Do what `Run.generator` does."""
    with _loading(run, checkpoint, "generator") as (path, state):
        config, network = _build(run, "generator")
        entries, averaged = generator_weights(state["networks"], weights)
        half_life = OmegaConf.select(config, "task.ema.half_life_kimg")
        of_kimg = f", half-life {half_life:g} kimg" if isinstance(half_life, int | float) else ""
        network.load_state_dict(entries)
        return Sampler(
            network,
            build_latents(config.model),
            class_names=list(config.dataset.class_names) if config.model.conditional else [],
            trained_labels=kept_labels(config) if config.model.conditional else None,
            weights=f"averaged (EMA{of_kimg})" if averaged else "raw",
            measured=state.get("measured") or {},
            **_facts(config, path, state),
        )


def load_discriminator(run: "Run", checkpoint: str) -> TrainedDiscriminator:
    """Do what `Run.discriminator` does."""
    with _loading(run, checkpoint, "discriminator") as (path, state):
        config, network = _build(run, "discriminator")
        network.load_state_dict(_below("discriminator.", state["networks"]))
        size = config.dataset.image_size
        return TrainedDiscriminator(
            network=network,
            class_names=list(config.dataset.class_names),
            image_shape=(config.dataset.channels, size, size),
            **_facts(config, path, state),
        )


def generator_weights(networks: Mapping[str, Any], weights: "Weights" = "averaged") -> tuple[dict[str, Any], bool]:
    """Return the generator's entries of a checkpoint, without their prefix, and whether they are averaged."""
    averaged = weights == "averaged" and any(name.startswith(PREFIXES["averaged"]) for name in networks)
    return _below(PREFIXES["averaged" if averaged else "raw"], networks), averaged


def _below(prefix: str, networks: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in networks.items() if name.startswith(prefix)}


@contextlib.contextmanager
def _loading(run: "Run", checkpoint: str, name: NetworkName) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Load a checkpoint to take a network from it, with an error that names what a config or a checkpoint lacks."""
    path, state = run.checkpoint(checkpoint)
    try:
        yield path, state
    except (OmegaConfBaseException, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run.directory}: the config or {path.name} lacks what a {name} needs ({error}).") from error
    except RuntimeError as error:
        differences = "\n".join(str(error).splitlines()[1:4])
        raise UserError(f"{path}: the weights do not fit the run's model.{name}:\n{differences}") from error


def _build(run: "Run", name: NetworkName) -> tuple[DictConfig, nn.Module]:
    config = run.omegaconf()
    add_code_dirs(config.get("code_dirs") or [])
    node, key = config.model[name], f"model.{name}"
    if not node:
        raise UserError(
            f"{run.directory} trains no {name} (task={run.choices.get('task')}), so there is none to use. "
            "`gan-experiments inspect` looks into its discriminator."
        )
    check_arguments(node, key)
    network: nn.Module = instantiate(node, key)
    return config, network.eval().requires_grad_(False).to(memory_format=torch.contiguous_format)


def _facts(config: DictConfig, path: Path, state: dict[str, Any]) -> dict[str, Any]:
    """Return what generators and discriminators share."""
    low, high = config.model.value_range
    return {
        "checkpoint": path,
        "iteration": state["clock"]["iterations"],
        "kimg": state["clock"]["images_seen"] / 1000,
        "value_range": (float(low), float(high)),
    }
