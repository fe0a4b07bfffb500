"""From a checked config to networks that fit the data and each other, and what trains them. Reads no data."""

import copy
import logging
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch import nn

from gan_experiments.components import build
from gan_experiments.config import count_training_images, without_task_facts
from gan_experiments.losses.base import Objective
from gan_experiments.tracking.summary import LayerRow, layer_table
from gan_experiments.training.module import Optimization, TrainingModule
from gan_experiments.types import NetworkName, UserError

NETWORKS: tuple[NetworkName, ...] = ("generator", "discriminator")
log = logging.getLogger(__name__)


def assemble(cfg: DictConfig) -> tuple[TrainingModule, dict[str, list[LayerRow]]]:
    """Build the task's module with the run's seed; also give the layer table of each network that it trains.

    Raises:
        UserError: a constructor refuses its arguments, or the networks do not fit the data or each other.
    """
    if cfg.trainer.get("accelerator") in ("gpu", "cuda") and torch.cuda.device_count() == 0:
        raise UserError(f"trainer.accelerator={cfg.trainer.accelerator}: PyTorch finds no GPU here. Write trainer=cpu.")
    pl.seed_everything(cfg.seed, verbose=False)
    unused = cfg.task.get("unused") or []
    networks: dict[str, nn.Module] = {
        name: build(cfg.model[name], f"model.{name}") for name in NETWORKS if f"model.{name}" not in unused
    }
    tables = _try_networks(cfg, networks)
    _try_augmentations(cfg)
    initialization = build(cfg.model.initialization, "model.initialization")
    optimizer = build(cfg.optimizer, "optimizer")
    for name, network in networks.items():
        initialization(network)
        try:
            optimizer[name](network.parameters())
        except (TypeError, ValueError) as error:
            raise UserError(f"optimizer.{name} cannot be made: {error}. Write other values below it.") from error
    optimization = Optimization(
        optimizers={name: optimizer[name] for name in NETWORKS if name in networks},
        learning_rate=optimizer["learning_rate"],
        gradient_clip=optimizer["gradient_clip"],
        batch_size=cfg.batch_size,
        batches_per_epoch=count_training_images(cfg) // cfg.batch_size,
    )
    if "loss" in unused:
        return _task(cfg, networks, optimization), tables
    facts = {"latent_dim": cfg.model.latent_dim, "ema_half_life_kimg": cfg.ema_half_life_kimg}
    schedule = build(cfg.schedule, "schedule")
    return _task(cfg, networks, optimization, objective=_objective(cfg), schedule=schedule, **facts), tables


def _task(cfg: DictConfig, networks: Mapping[str, nn.Module], optimization: Optimization, **own: Any) -> TrainingModule:
    module: TrainingModule = build(without_task_facts(cfg).task, "task")(**networks, optimization=optimization, **own)
    return module


def _objective(cfg: DictConfig) -> Objective:
    objective = Objective(build(cfg.loss, "loss"))
    told = any("class_head" in term.needs for term in objective.terms.values())
    if cfg.model.conditional and not told and cfg.model.discriminator.get("condition", "its own") is None:
        log.warning(
            "The generator is told classes, but neither the loss nor the discriminator looks at them: samples will not "
            "follow their labels. Add +loss/term=auxiliary_class, or choose model=dcgan_projection or model=dcgan."
        )
    return objective


def _try_augmentations(cfg: DictConfig) -> None:
    images = torch.zeros(2, cfg.dataset.channels, cfg.dataset.image_size, cfg.dataset.image_size)
    for name, augmentation in (build(cfg.augment, "augment") or {}).items():
        try:
            augmentation(images, torch.Generator())
        except (RuntimeError, ValueError) as error:
            raise UserError(f"augment.{name} does not fit images of {tuple(images.shape[1:])}: {error}") from error


def _try_networks(cfg: DictConfig, networks: Mapping[str, nn.Module]) -> dict[str, list[LayerRow]]:
    """Run copies of the networks on the meta device: shapes only, hardly any memory, no random numbers."""
    data, size = cfg.dataset, cfg.dataset.image_size
    expected = (2, data.channels, size, size)
    labels = torch.zeros(2, dtype=torch.int64, device="meta")
    rows: dict[str, list[LayerRow]] = {}
    if "generator" in networks:
        latents = torch.zeros(2, cfg.model.latent_dim, device="meta")
        made, rows["generator"] = _try_network(cfg, "generator", networks["generator"], latents, labels)
        if made.shape != expected:
            raise UserError(
                f"model.generator gives images of shape {tuple(made.shape[1:])}, but dataset {data.name!r} has "
                f"{expected[1:]}. Choose a model for these images, such as model=dcgan."
            )
    images = torch.zeros(expected, device="meta")
    judged, rows["discriminator"] = _try_network(cfg, "discriminator", networks["discriminator"], images, labels)
    has_logits = judged.class_logits is not None
    if judged.scores.shape != (2,) or has_logits != bool(cfg.model.class_head):
        raise UserError(
            f"model.discriminator gives scores of shape {tuple(judged.scores.shape)} for 2 images, "
            f"{'with' if has_logits else 'without'} class logits; expected is shape (2,), and the yaml declares "
            f"model.class_head: {str(bool(cfg.model.class_head)).lower()}."
        )
    return rows


def _try_network(cfg: DictConfig, name: str, network: nn.Module, *inputs: torch.Tensor) -> tuple[Any, list[LayerRow]]:
    probe = copy.deepcopy(network).to("meta").eval()
    try:
        return layer_table(probe, *inputs)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UserError(
            f"model.{name} of model {cfg.model.name!r} cannot take input of shape {tuple(inputs[0].shape)} "
            f"(dataset {cfg.dataset.name!r}): {error}"
        ) from error
