"""A network of a run, rebuilt to be used: no data, no trainer, and not the other network."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from gan_experiments.config.instantiate import add_code_dirs, check_arguments, instantiate
from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.regimes.base import reference
from gan_experiments.models.latents import build_latents
from gan_experiments.runs.run import Run
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import NetworkName, UserError


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


Weights = Literal["averaged", "raw"]
PREFIXES: dict[Weights, str] = {"averaged": "ema.network.", "raw": "generator."}


def load_generator(run: Run, checkpoint: str, weights: Weights = "averaged") -> Sampler:
    """Rebuild a run's generator from a checkpoint; where the run kept no average, the raw one.

    Args:
        run: the run, in whatever state.
        checkpoint: `last`, `best`, or the number of an iteration.
        weights: `averaged`, the EMA generator that metrics and grids use, or `raw`.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or does not fit the run's own config.
    """
    path, state = run.checkpoint(checkpoint)
    with _fitting(run, path, "generator"):
        config, network = _built(run, "generator")
        own, averaged = own_weights(state["networks"], weights)
        network.load_state_dict(own)
        return _described(network.eval().requires_grad_(False), config, path, state, averaged)
    raise AssertionError  # for type checkers: what goes wrong above is raised


def load_discriminator(run: Run, checkpoint: str) -> TrainedDiscriminator:
    """Rebuild a run's discriminator, or the network of a classifier's run, from a checkpoint.

    Args:
        run: the run, in whatever state.
        checkpoint: `last`, `best`, or the number of an iteration.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or does not fit the run's own config.
    """
    path, state = run.checkpoint(checkpoint)
    with _fitting(run, path, "discriminator"):
        config, network = _built(run, "discriminator")
        prefix = "discriminator."
        entries = {name: value for name, value in state["networks"].items() if name.startswith(prefix)}
        network.load_state_dict({name.removeprefix(prefix): value for name, value in entries.items()})
        low, high = config.model.value_range
        size = config.dataset.image_size
        return TrainedDiscriminator(
            network=network.eval().requires_grad_(False).to(memory_format=torch.contiguous_format),
            checkpoint=path,
            iteration=state["clock"]["iterations"],
            kimg=state["clock"]["images_seen"] / 1000,
            class_names=list(config.dataset.class_names),
            image_shape=(config.dataset.channels, size, size),
            value_range=(float(low), float(high)),
        )
    raise AssertionError  # as above


def _built(run: Run, name: NetworkName) -> tuple[DictConfig, nn.Module]:
    config = run.config
    add_code_dirs(config.get("code_dirs") or [])
    node, key = config.model[name], f"model.{name}"
    if not node:
        raise UserError(
            f"{run.directory} trains no {name} (task={run.manifest['choices'].get('task')}), so there is none to use. "
            "`gan-experiments inspect` looks into its discriminator."
        )
    check_arguments(node, key)
    network: nn.Module = instantiate(node, key)
    return config, network


@contextlib.contextmanager
def _fitting(run: Run, path: Path, name: NetworkName) -> Iterator[None]:
    """Say so where a config or a checkpoint lacks what a network needs."""
    try:
        yield
    except (OmegaConfBaseException, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run.directory}: the config or {path.name} lacks what a {name} needs ({error}).") from error
    except RuntimeError as error:
        differences = "\n".join(str(error).splitlines()[1:4])
        raise UserError(f"{path}: the weights do not fit the run's model.{name}:\n{differences}") from error


def own_weights(networks: Mapping[str, Any], weights: Weights = "averaged") -> tuple[dict[str, Any], bool]:
    """Pick the generator's entries of a checkpoint, without their prefix, and say whether they are averaged."""
    averaged = weights == "averaged" and any(name.startswith(PREFIXES["averaged"]) for name in networks)
    prefix = PREFIXES["averaged" if averaged else "raw"]
    return {name.removeprefix(prefix): value for name, value in networks.items() if name.startswith(prefix)}, averaged


def _described(network: nn.Module, config: DictConfig, path: Path, state: dict[str, Any], averaged: bool) -> Sampler:
    low, high = config.model.value_range
    return Sampler(
        network.to(memory_format=torch.contiguous_format),
        build_latents(config.model),
        class_names=list(config.dataset.class_names) if config.model.conditional else [],
        value_range=(float(low), float(high)),
        trained_labels=trained_labels(config) if config.model.conditional else None,
        checkpoint=path,
        weights=f"averaged (EMA, half-life {config.ema_half_life_kimg:g} kimg)" if averaged else "raw",
        iteration=state["clock"]["iterations"],
        kimg=state["clock"]["images_seen"] / 1000,
        measured=state.get("measured") or {},
    )


def trained_labels(config: DictConfig) -> list[int]:
    """Return the labels of the classes that a run's regime keeps, all where it leaves none out."""
    numbers = torch.arange(config.dataset.num_classes)
    one_of_each = TensorImageSet(torch.zeros(len(numbers), 1, 1, 1, dtype=torch.uint8), numbers)
    labels: list[int] = reference(instantiate(config.regime, "regime"), one_of_each).labels.tolist()
    return labels
