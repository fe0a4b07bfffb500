"""The checks of a composed config that need no part to be built: keys, declared facts, values that must agree."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import Field

from gan_experiments.components import check_type, suggest
from gan_experiments.types import UserError

VALUE_RANGES = {"sigmoid": [0, 1], "tanh": [-1, 1]}

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
DECLARED: dict[str, dict[str, Any]] = {
    "model": {
        "name": str,
        "value_range": tuple[float, float],
        "output": Literal["sigmoid", "tanh", "linear"],
        "conditional": bool,
        "class_head": bool,
        "latent_dim": Positive,
    },
    "dataset": {
        "name": str,
        "image_size": Positive,
        "channels": Positive,
        "num_classes": Count,
        "class_names": list[str],
        "num_train": Positive,
        "num_test": Count,
    },
    "optimizer": {"gradient_clip": dict[Literal["discriminator", "generator"], float | None]},
}
"""The values that these groups hold, each with its type."""
PARTS = {
    "model": ("initialization", "generator", "discriminator"),
    "dataset": ("source",),
    "optimizer": ("discriminator", "generator", "learning_rate"),
}
"""What these groups name by `_target_`."""
TRAINER_KEYS = {
    "max_epochs": "budget.epochs",
    "min_epochs": "budget.epochs",
    "max_steps": "budget.generator_steps or budget.kimg",
    "min_steps": "budget.generator_steps or budget.kimg",
    "max_time": "budget.kimg",
    "logger": "logger=NAME",
    "callbacks": "the keys of this framework (there is none for other callbacks)",
    "enable_checkpointing": "checkpoint_every_kimg",
    "enable_progress_bar": "log_every_iterations",
    "default_root_dir": "hydra.run.dir",
    "gradient_clip_val": "optimizer.gradient_clip.generator and optimizer.gradient_clip.discriminator",
    "gradient_clip_algorithm": "optimizer.gradient_clip.generator and optimizer.gradient_clip.discriminator",
    "accumulate_grad_batches": "batch_size",
}
"""Arguments of Lightning's Trainer that have no effect or no place here, with what to write instead."""


def check_keys(cfg: DictConfig, schema: DictConfig) -> None:
    """Find keys that nothing would read, and keys without which nothing works; an added (+) key passes the schema.

    Raises:
        UserError: names the key and the nearest known one.
    """
    for parent in ("", "budget", "data"):
        # As lists: for a config, `in` is false where the value is still missing.
        here, known = ([str(key) for key in (node[parent] if parent else node)] for node in (cfg, schema))
        prefix = f"{parent}." if parent else ""
        for key in here:
            if key not in known:
                groups = [] if parent else ["experiment", "loss/term", "optimizer/learning_rate"]
                raise UserError(f"unknown key '{prefix}{key}'{suggest(key, [*known, *groups])}")
        for key in known:
            if key not in here:
                raise UserError(f"{prefix}{key} is missing: it cannot be taken out with ~")
    for key in ("data_dir", "resume", "init_from"):
        if cfg[key] == "":
            raise UserError(f"{key} is empty: write {key}=DIRECTORY, or leave it out")
    for key in ("task", "schedule", "trainer"):
        _require_part(cfg[key], key)
    text = json.dumps(OmegaConf.to_container(cfg))
    for group in DECLARED:
        _check_group(group, cfg[group], text)


def _check_group(group: str, node: Any, text: str) -> None:
    """Check the keys of a group; others than the known ones must be read by an interpolation somewhere in `text`."""
    known = [*DECLARED[group], *PARTS[group]]
    if not isinstance(node, DictConfig):
        raise UserError(f"{group} holds no keys: choose {group}=NAME; --help lists the names")
    for key in known:
        if key not in node:
            raise UserError(f"{group}.{key} is missing: the yaml of a {group} states {', '.join(known)}")
    for key in map(str, node):
        read = key in known or re.search(rf"\$\{{[^}}]*\b{re.escape(key)}\b[^}}]*\}}", text)
        if not read and (group, key) != ("dataset", "path"):
            raise UserError(f"{group}.{key} is read by nothing{suggest(key, known)}")
    for key in PARTS[group]:
        _require_part(node[key], f"{group}.{key}")


def _require_part(node: Any, key: str) -> None:
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(f"{key} names no _target_: choose {key.split('.')[0]}=NAME, or write {key}._target_=CLASS")


def cross_check(cfg: DictConfig) -> None:
    """Compare values that must agree, by declared facts alone.

    Raises:
        UserError: names the two keys and what to write instead.
    """
    for group, declared in DECLARED.items():
        values: dict[str, Any] = json.loads(json.dumps(OmegaConf.to_container(cfg[group])))
        for key, hint in declared.items():
            check_type(f"{group}.{key}", values[key], hint)
    _check_numbers(cfg)
    _check_trainer(cfg.trainer)
    model, dataset = cfg.model, cfg.dataset
    expected = VALUE_RANGES.get(model.output)
    if expected is not None and [float(end) for end in model.value_range] != [float(end) for end in expected]:
        raise UserError(
            f"model.output={model.output} gives values in {expected}, but model.value_range is "
            f"{list(model.value_range)}: the data would not fit the generator. Write model.value_range={expected}, "
            f"or model.output=linear, which fits any range."
        )
    if not model.value_range[0] < model.value_range[1]:
        raise UserError(f"model.value_range={list(model.value_range)}: write black first, then white, such as [-1, 1]")
    if not cfg.loss:
        raise UserError("loss is empty: choose one, such as loss=non_saturating")
    for group in ("loss", "augment", "logger"):
        for name, part in cfg[group].items():
            if not isinstance(part, DictConfig) or "_target_" not in part:
                adding = f"Add the term (+loss/term={name})" if group == "loss" else f"Choose {group}={name}"
                raise UserError(
                    f"{group}.{name} sets values for a part that the chosen {group} does not have (it names no "
                    f"_target_). {adding}, or leave {group}.{name} out."
                )
    for name, term in cfg.loss.items():
        for need in term.get("needs") or []:
            if not model.get(need):
                raise UserError(
                    f"loss.{name} needs model.{need}, but the chosen model declares model.{need}: "
                    f"{str(model.get(need, False)).lower()}. Choose a model that has it, such as "
                    f"model=dcgan_class_head or model=report_e, or a loss without it, such as loss=non_saturating."
                )
    if dataset.num_classes == 0 and (
        model.conditional or any(term.get("num_classes") == 0 for term in cfg.loss.values())
    ):
        raise UserError(
            f"dataset {dataset.name!r} has no labels (dataset.num_classes: 0), but the model or the loss uses classes. "
            f"Choose model=dcgan and loss=non_saturating, or put the images into one sub-folder for each class."
        )


def _check_numbers(cfg: DictConfig) -> None:
    given = {unit: value for unit, value in cfg.budget.items() if value is not None}
    if len(given) != 1:
        raise UserError(
            f"budget needs exactly one of budget.epochs, budget.kimg, budget.generator_steps; got {given or 'none'}. "
            f"To change the unit write, say, budget.epochs=null budget.kimg=500."
        )
    if not 0 <= cfg.seed < 2**32:
        raise UserError(f"seed={cfg.seed} is out of range: write a whole number from 0 to {2**32 - 1}.")
    positive = {f"budget.{unit}": value for unit, value in given.items()}
    positive |= {
        key: cfg[key] for key in ("batch_size", "log_every_iterations", "checkpoint_every_kimg", "keep_checkpoints")
    }
    positive |= {key: cfg[key] for key in ("ema_half_life_kimg", "sample_every_kimg") if cfg[key] is not None}
    for key, value in positive.items():
        if not value > 0:
            off = ", or null to turn it off" if key in ("ema_half_life_kimg", "sample_every_kimg") else ""
            raise UserError(f"{key}={value} must be greater than 0{off}")
    if "generator_steps" in given and cfg.schedule.get("generator") == 0:
        raise UserError(
            "budget.generator_steps is never spent with schedule.generator=0; write budget.epochs=... instead."
        )
    if cfg.samples_by_class not in ("rows", "columns"):
        raise UserError(f"samples_by_class={cfg.samples_by_class!r} is neither rows nor columns")
    if cfg.batch_size > cfg.dataset.num_train:
        raise UserError(
            f"batch_size={cfg.batch_size} is larger than the data set: dataset {cfg.dataset.name!r} has "
            f"{cfg.dataset.num_train} training images. Write batch_size={cfg.dataset.num_train} or less."
        )


def _check_trainer(trainer: DictConfig) -> None:
    for key, instead in TRAINER_KEYS.items():
        if key in trainer:
            raise UserError(f"trainer.{key} has no place here: write {instead} instead.")
    devices = trainer.get("devices", 1)
    one = len(devices) == 1 if isinstance(devices, ListConfig) else str(devices) in ("1", "auto")
    if "strategy" not in trainer and not one:
        raise UserError(f"trainer.devices={devices} needs trainer=ddp: write trainer=ddp trainer.devices={devices}.")
    if str(trainer.get("precision", "32-true")) not in ("32", "32-true", "bf16-mixed"):
        raise UserError(
            f"trainer.precision={trainer.precision} is not supported: write trainer.precision=32-true or bf16-mixed."
        )
