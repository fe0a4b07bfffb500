"""The checks of a composed config that need no part to be built: keys, declared facts, values that must agree."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import Field

from gan_experiments.config.instantiate import check_type
from gan_experiments.config.keys import override_key, within
from gan_experiments.config.suggestions import right_place, suggest
from gan_experiments.types import UserError

OWN_PREFIX = "gan_experiments."
VALUE_RANGES = {"sigmoid": [0, 1], "tanh": [-1, 1]}

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Above0 = Annotated[float, Field(gt=0)]
DECLARED: dict[str, dict[str, Any]] = {
    "": {
        "seed": Annotated[int, Field(ge=0, lt=2**32)],
        "batch_size": Positive,
        "ema_half_life_kimg": Above0 | None,
        "log_every_iterations": Positive,
        "sample_every_kimg": Above0 | None,
        "samples_by_class": Literal["rows", "columns"],
        "checkpoint_every_kimg": Above0,
        "keep_checkpoints": Positive,
    },
    "budget": {"epochs": Above0 | None, "kimg": Above0 | None, "generator_steps": Positive | None},
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
    "evaluation": {
        "extractors": dict[str, Any],
        "metrics": dict[str, Any],
        "every_kimg": Above0 | None,
        "num_samples": Positive,
        "num_seeds": Positive,
        "best": str | None,
        "patience_kimg": Above0 | None,
    },
    "optimizer": {"gradient_clip": dict[Literal["discriminator", "generator"], float | None]},
}
"""The values that the root and these groups hold, each with its type."""
PARTS = {
    "model": ("initialization", "generator", "discriminator"),
    "dataset": ("source",),
    "evaluation": (),
    "optimizer": ("discriminator", "generator", "learning_rate"),
}
"""What these groups name by `_target_`."""
OPTIONAL_PARTS = {"model": ("latents",)}
"""What they may name besides."""
TASK_FACTS = ("needs", "unused", "min_classes")
"""What a task's yaml declares: facts that the model must have, keys it has no use for, how many classes it needs."""
FURTHER_GROUPS = ("experiment", "loss/term", "optimizer/learning_rate", "evaluation/metric")
"""Groups that are no root keys."""
TRAINER_KEYS = (
    "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "logger", "callbacks", "enable_checkpointing",
    "enable_progress_bar", "default_root_dir", "gradient_clip_val", "gradient_clip_algorithm",
    "accumulate_grad_batches",
)  # fmt: skip
"""Arguments of Lightning's Trainer that have no effect or no place here."""


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
                groups = () if parent else FURTHER_GROUPS
                raise UserError(f"unknown key '{prefix}{key}'{suggest(key, [*known, *groups])}")
        for key in known:
            if key not in here:
                raise UserError(f"{prefix}{key} is missing: it cannot be taken out with ~")
    for key in ("task", "schedule", "trainer"):
        _require_part(cfg[key], key)
    text = json.dumps(OmegaConf.to_container(cfg))
    for group in PARTS:
        _check_group(group, cfg[group], text)


def check_choices(choices: Mapping[str, Any]) -> None:
    """Find a group that holds one part and of which a list was chosen, which Hydra merges into one.

    Args:
        choices: from `config.group_choices`, where such a list has left the keys of the part.

    Raises:
        UserError: names the group.
    """
    for group, choice in choices.items():
        if "_target_" in str(choice).split("+"):
            raise UserError(f"{group}=[...] was given, but {group} takes one option: write {group}=NAME.")


def check_unused(unused: Sequence[str], overrides: Sequence[str]) -> None:
    """Find what the command line says of keys that the task has no use for.

    Args:
        unused: keys that the task's yaml declares so.
        overrides: as typed.

    Raises:
        UserError: names the first.
    """
    for word in overrides:
        key = override_key(word)
        if within(key, unused) and not word.endswith("=null"):
            raise UserError(f"{word}: this task has no use for {key}. Leave it out, or choose another task=NAME.")


def _check_group(group: str, node: Any, text: str) -> None:
    """Check the keys of a group; others than the known ones must be read by an interpolation somewhere in `text`."""
    known = [*DECLARED[group], *PARTS[group]]
    if not isinstance(node, DictConfig):
        raise UserError(f"{group} holds no keys: choose {group}=NAME; --help lists the names")
    for key in known:
        if key not in node:
            raise UserError(f"{group}.{key} is missing: the yaml of a {group} states {', '.join(known)}")
    optional = OPTIONAL_PARTS.get(group, ())
    for key in map(str, node):
        read = key in [*known, *optional] or re.search(rf"\$\{{[^}}]*\b{re.escape(key)}\b[^}}]*\}}", text)
        if not read and (group, key) != ("dataset", "path"):
            raise UserError(f"{group}.{key} is read by nothing{suggest(key, known)}")
    for key in [*PARTS[group], *(key for key in optional if node.get(key) is not None)]:
        _require_part(node[key], f"{group}.{key}")


def _require_part(node: Any, key: str) -> None:
    if not isinstance(node, DictConfig) or "_target_" not in node:
        group = key.split(".")[0]
        term = " (+loss/term=NAME adds a term)" if group == "loss" else ""
        raise UserError(f"{key} names no _target_: choose {group}=NAME{term}, or write {key}._target_=CLASS")


def cross_check(cfg: DictConfig) -> None:
    """Compare values that must agree, by declared facts alone.

    Raises:
        UserError: names the two keys and what to write instead.
    """
    for group, declared in DECLARED.items():
        values: Any = OmegaConf.to_container(cfg[group] if group else cfg)
        for key, hint in declared.items():
            check_type(f"{group}.{key}".strip("."), values[key], hint)
    _check_trainer(cfg.trainer)
    model, dataset = cfg.model, cfg.dataset
    expected = VALUE_RANGES.get(model.output)
    if expected is not None and list(model.value_range) != expected:
        raise UserError(
            f"model.output={model.output} gives values in {expected}, but model.value_range is "
            f"{list(model.value_range)}: the data would not fit the generator. Write model.value_range={expected}, "
            f"or model.output=linear, which fits any range."
        )
    for group in ("regime", "loss", "augment", "logger", "alarms", "evaluation.extractors", "evaluation.metrics"):
        for name, part in OmegaConf.select(cfg, group).items():
            key = f"{group}.{name}"
            if not isinstance(part, DictConfig) and (advice := right_place(key, {}, f"{key}={part}")):
                raise UserError(f"{key} is no part: {advice}")
            _require_part(part, key)
    for need in cfg.task.get("needs") or []:
        if not model.get(need):
            raise UserError(
                f"this task needs model.{need}, which the chosen model does not declare. Choose one that does, such as "
                f"model=dcgan_class_head."
            )
    for name, term in cfg.loss.items():
        for need in term.get("needs") or []:
            if not model.get(need):
                raise UserError(
                    f"loss.{name} needs model.{need}, which the chosen model does not declare. Choose one that does, "
                    f"such as model=dcgan_class_head, or a loss that does not need it, such as loss=non_saturating."
                )
    if dataset.num_classes == 0 and (
        model.conditional or model.class_head or any(term.get("num_classes") == 0 for term in cfg.loss.values())
    ):
        raise UserError(
            f"dataset {dataset.name!r} has no labels (dataset.num_classes: 0), but the model or the loss uses classes. "
            f"Choose model=dcgan and loss=non_saturating, or put the images into one sub-folder for each class."
        )
    _check_budget(cfg)
    measured = cfg.evaluation
    if measured.patience_kimg is not None and (measured.best is None or measured.every_kimg is None):
        raise UserError(
            "evaluation.patience_kimg waits for evaluation.best to improve: it needs that and evaluation.every_kimg. "
            "Write evaluation.patience_kimg=null, or give both."
        )
    if not cfg.model.generator and cfg.evaluation.extractors:
        raise UserError(
            "this task trains no generator, so there are no samples to measure: write evaluation=class_head or "
            "evaluation=none."
        )


def _check_budget(cfg: DictConfig) -> None:
    given = {unit: value for unit, value in cfg.budget.items() if value is not None}
    if len(given) != 1:
        raise UserError(
            f"budget needs exactly one of budget.epochs, budget.kimg, budget.generator_steps; got {given or 'none'}. "
            f"To change the unit write, say, budget.epochs=null budget.kimg=500."
        )
    if "generator_steps" in given and (not cfg.schedule or cfg.schedule.get("generator") == 0):
        raise UserError(
            "budget.generator_steps is never spent: no generator is trained (schedule.generator=0, or the task has "
            "none). Write budget.epochs instead."
        )


def _check_trainer(trainer: DictConfig) -> None:
    for key in TRAINER_KEYS:
        if key in trainer:
            instead = "budget.epochs, optimizer.gradient_clip, batch_size, checkpoint_every_kimg, logger=NAME"
            raise UserError(f"trainer.{key} has no place here: use this framework's own keys ({instead}) instead.")
    devices = trainer.get("devices", 1)
    one = len(devices) == 1 if isinstance(devices, ListConfig) else str(devices) in ("1", "auto")
    if "strategy" not in trainer and not one:
        raise UserError(f"trainer.devices={devices} needs trainer=ddp: write trainer=ddp trainer.devices={devices}.")
    if str(trainer.get("precision", "32-true")) not in ("32", "32-true", "bf16-mixed"):
        raise UserError(
            f"trainer.precision={trainer.precision} is not supported: write trainer.precision=32-true or bf16-mixed."
        )
