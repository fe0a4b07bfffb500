"""The checks of a composed config that need no part to be built: keys, declared facts, values that must agree."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import ValidationError

from gan_experiments.config.schema import FURTHER_GROUPS, GROUPS, MERGED_GROUPS, Root
from gan_experiments.config.suggestions import right_place, suggest
from gan_experiments.types import TrainingFacts, UserError

OWN_PREFIX = "gan_experiments."
VALUE_RANGES = {"sigmoid": [0, 1], "tanh": [-1, 1]}
STRUCTURE = ("missing", "extra_forbidden", "no_target")
"""Kinds of mistakes that show before the config is resolved."""

TRAINER_KEYS = (
    "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "logger", "callbacks", "enable_checkpointing",
    "enable_progress_bar", "default_root_dir", "gradient_clip_val", "gradient_clip_algorithm",
    "accumulate_grad_batches",
)  # fmt: skip
"""Arguments of Lightning's Trainer that have no effect or no place here."""


def check_keys(config: DictConfig) -> None:
    """Find keys that nothing would read, and keys without which nothing works; an added (+) key passes the schema."""
    schema = OmegaConf.structured(Root)
    for parent in ("", "budget", "data"):
        # As lists: for a config, `in` is false where the value is still missing.
        given, known = ([str(key) for key in (node[parent] if parent else node)] for node in (config, schema))
        prefix = f"{parent}." if parent else ""
        for key in given:
            if key not in known:
                groups = () if parent else FURTHER_GROUPS
                raise UserError(f"unknown key '{prefix}{key}'{suggest(key, [*known, *groups])}")
        for key in known:
            if key not in given:
                raise UserError(f"{prefix}{key} is missing: it cannot be taken out with ~")
    for key in ("task", "schedule", "trainer"):
        _require_part(config[key], key)
    read = _interpolated(OmegaConf.to_container(config))
    for group, values in GROUPS.items():
        if not isinstance(node := config[group] if group else config, DictConfig):
            raise UserError(f"{group} holds no keys: choose {group}=NAME; --help lists the names")
        content = {key: value for key, value in _content(node).items() if key in values.model_fields or key not in read}
        _check_values(group, content, structure=True)


def _content(node: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(node)
    return {str(key): value for key, value in content.items()}


def _check_values(group: str, content: dict[str, Any], *, structure: bool) -> None:
    """Raise `UserError` for the first mistake in the structure of a group, or in its values."""
    try:
        GROUPS[group].model_validate(content)
    except ValidationError as error:
        mistakes = [item for item in error.errors() if (item["type"] in STRUCTURE) == structure]
        if not mistakes:
            return
        kind, name = mistakes[0]["type"], str(mistakes[0]["loc"][0])
        key, fields = f"{group}.{name}".strip("."), GROUPS[group].model_fields
        if kind == "missing":
            stated = ", ".join(field for field, info in fields.items() if info.is_required())
            raise UserError(f"{key} is missing: the yaml of a {group} states {stated}") from error
        if kind == "extra_forbidden":
            raise UserError(f"{key} is read by nothing{suggest(name, fields)}") from error
        if kind == "no_target":
            _require_part(content[name], key)
        reasons = dict.fromkeys(item["msg"] for item in mistakes if item["loc"][0] == name)
        raise UserError(f"{key}={content[name]!r} has a wrong type or value: {'; '.join(reasons)}") from error


def _interpolated(content: Any) -> set[str]:
    """Return the words of all interpolations: names of keys that some other key reads."""
    if isinstance(content, dict | list):
        children = content.values() if isinstance(content, dict) else content
        return set().union(*map(_interpolated, children))
    return set(re.findall(r"\w+", content)) if isinstance(content, str) and "${" in content else set()


def _require_part(node: Any, key: str) -> None:
    if not isinstance(node, dict | DictConfig) or "_target_" not in node:
        group = key.split(".")[0]
        term = " (+loss/term=NAME adds a term)" if group == "loss" else ""
        raise UserError(f"{key} names no _target_: choose {group}=NAME{term}, or write {key}._target_=CLASS")


def cross_check(cfg: DictConfig) -> None:
    """Check the values of a resolved config, and that those agree which must, by declared facts alone."""
    for group in GROUPS:
        _check_values(group, _content(cfg[group] if group else cfg), structure=False)
    _check_trainer(cfg.trainer)
    model, dataset = cfg.model, cfg.dataset
    expected = VALUE_RANGES.get(model.output)
    if expected is not None and list(model.value_range) != expected:
        raise UserError(
            f"model.output={model.output} has values in {expected}, but model.value_range is "
            f"{list(model.value_range)}: the data would not fit the generator. Write model.value_range={expected}, "
            f"or model.output=linear, which fits any range."
        )
    for group in MERGED_GROUPS:
        for name, part in OmegaConf.select(cfg, group).items():
            key = f"{group}.{name}"
            if not isinstance(part, DictConfig) and (advice := right_place(key, {}, f"{key}={part}")):
                raise UserError(f"{key} is no part: {advice}")
            _require_part(part, key)
    check_needs(cfg)
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


def check_needs(cfg: DictConfig) -> None:
    """Compare what the task and loss terms need with the facts of the model."""
    parts = {"this task": cfg.task, **{f"loss.{name}": term for name, term in cfg.loss.items()}}
    for name, part in parts.items():
        for need in _needs(part):
            if not cfg.model.get(need):
                other = "" if part is cfg.task else ", or a loss that does not need it, such as loss=non_saturating"
                raise UserError(
                    f"{name} needs model.{need}, which the chosen model does not declare. Choose one that does, such "
                    f"as model=dcgan_class_head{other}."
                )


def _needs(part: DictConfig) -> Sequence[str]:
    """Return the facts that a part needs, by its yaml or else by its class, as far as that is imported."""
    module, _, name = str(part.get("_target_")).rpartition(".")
    declared: Sequence[str] = getattr(getattr(sys.modules.get(module), name, None), "needs", ())
    return part.get("needs") or declared


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


def training_facts(cfg: DictConfig, regimes: Mapping[str, Any]) -> TrainingFacts:
    """Return what is known of the images that the regimes leave to train on, the most where only labels tell."""
    facts = TrainingFacts(cfg.dataset.num_train, cfg.dataset.num_classes, cfg.dataset.image_size)
    for regime in regimes.values():
        facts = regime.describe(facts)
    return facts


def check_labels(cfg: DictConfig, regimes: Mapping[str, Any]) -> None:
    """Find a new run that has too few classes, or whose regime changes labels which nothing reads."""
    facts, least = training_facts(cfg, regimes), cfg.task.get("min_classes") or 0
    task = f"this task learns to tell classes apart and needs {least}, but"
    if (classes := cfg.dataset.num_classes) < least:
        raise UserError(f"{task} dataset {cfg.dataset.name!r} has {classes}. Choose another dataset=NAME.")
    if facts.num_classes < least:
        raise UserError(
            f"{task} with this regime dataset {cfg.dataset.name!r} has {facts.num_classes}. Name more classes, or "
            f"write regime=none."
        )
    if facts.wrong_labels and not _reads_labels(cfg):
        raise UserError(
            "the regime changes labels, but nothing here reads labels in training, so wrong labels would change "
            "nothing: model.conditional is false, and no term of the loss needs model.class_head. Leave label_noise "
            "out, or choose what reads labels, such as model=dcgan_projection or task=classifier "
            "model=dcgan_class_head."
        )


def trains_class_head(cfg: DictConfig) -> bool:
    """Whether the task or a term of the loss trains a class head; one of the user's own may, whatever it declares."""
    parts = [part for part in (cfg.task, *cfg.loss.values()) if part.get("weight") != 0]
    return any("class_head" in _needs(part) or _is_own(part) for part in parts)


def _reads_labels(cfg: DictConfig) -> bool:
    networks = (cfg.model.generator, cfg.model.discriminator)
    conditional = any(network.get("condition") is not None or _is_own(network) for network in networks)
    return bool(cfg.model.conditional) or conditional or trains_class_head(cfg)


def _is_own(part: DictConfig) -> bool:
    """Return whether a part is of the user's own code."""
    return not part.get("_target_", OWN_PREFIX).startswith(OWN_PREFIX)
