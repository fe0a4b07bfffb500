"""From a command line to a checked config: the root schema, the cross-checks, and the one way to build a part.

Imports neither torch nor Lightning, so that `--help`, `--cfg job` and a typing mistake answer at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_experiments.components import add_code_dirs, build, suggest
from gan_experiments.types import DatasetFacts, ImageSource, UserError

PACKAGE = Path(__file__).resolve().parent
CONFIG_DIR = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
"""In a wheel the configs lie inside the package, in a checkout beside it."""

VALUE_RANGES = {"sigmoid": [0, 1], "tanh": [-1, 1]}


@dataclass
class Budget:
    """How long to train; exactly one is given."""

    epochs: float | None = None
    kimg: float | None = None
    generator_steps: int | None = None


@dataclass
class DataKnobs:
    """How a data set is held, whichever it is."""

    in_memory_gib: float = 4.0
    num_workers: int = 2


@dataclass
class Root:
    """Every key that may stand at the top level of a config; a misspelt one stops at composition."""

    seed: int = 0
    data_dir: str = "${oc.env:GAN_EXPERIMENTS_DATA,'~/.cache/gan_experiments'}"
    code_dirs: list[str] = field(default_factory=lambda: ["."])
    name: str | None = None
    notes: str = ""
    tags: list[str] = field(default_factory=list)
    resume: str | None = None
    allow_changes: list[str] = field(default_factory=list)
    init_from: str | None = None
    batch_size: int = MISSING
    budget: Budget = field(default_factory=Budget)
    data: DataKnobs = field(default_factory=DataKnobs)
    ema_half_life_kimg: float | None = None
    log_every_iterations: int = MISSING
    sample_every_kimg: float | None = None
    samples_by_class: str = MISSING
    checkpoint_every_kimg: float = MISSING
    keep_checkpoints: int = MISSING
    task: Any = MISSING
    dataset: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    schedule: Any = MISSING
    optimizer: Any = MISSING
    augment: Any = MISSING
    logger: Any = MISSING
    trainer: Any = MISSING


def register_schema() -> None:
    """Make the root schema known to Hydra as `schema`, the first entry of the defaults list."""
    ConfigStore.instance().store(name="schema", node=Root)


def prepare(cfg: DictConfig) -> DictConfig:
    """Check a composed config and resolve it: facts filled in, paths absolute, nothing left to interpolate.

    Raises:
        UserError: something is missing, contradictory or cannot work; names the keys and the remedy.

    """
    cfg = cfg.copy()
    cfg.data_dir = str(Path(cfg.data_dir).expanduser().absolute())
    cfg.code_dirs = [str(Path(directory).expanduser().absolute()) for directory in cfg.code_dirs]
    add_code_dirs(cfg.code_dirs)
    _fill_in_facts(cfg)
    try:
        resolved = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        raise UserError(f"the config cannot be resolved at {key or 'some key'}: {error.msg or error}") from error
    result = OmegaConf.create(resolved)
    assert isinstance(result, DictConfig)
    cross_check(result)
    return result


def _fill_in_facts(cfg: DictConfig) -> None:
    facts = list(DatasetFacts.__dataclass_fields__)
    missing = [key for key in facts if cfg.dataset.get(key) is None]
    if not missing:
        return
    source: ImageSource = build(cfg.dataset.source, "dataset.source")
    described = asdict(source.describe())
    OmegaConf.set_struct(cfg.dataset, False)
    for key in facts:
        cfg.dataset[key] = described[key]


def cross_check(cfg: DictConfig) -> None:
    """Compare values that must agree, by declared facts alone.

    Raises:
        UserError: names the two keys and what to write instead.

    """
    _check_numbers(cfg)
    model, dataset = cfg.model, cfg.dataset
    expected = VALUE_RANGES.get(model.output)
    if expected is not None and [float(end) for end in model.value_range] != [float(end) for end in expected]:
        raise UserError(
            f"model.output={model.output} gives values in {expected}, but model.value_range is "
            f"{list(model.value_range)}: the data would not fit the generator. Write model.value_range={expected}, "
            f"or model.output=linear, which fits any range."
        )
    if model.output not in (*VALUE_RANGES, "linear"):
        raise UserError(f"model.output={model.output!r} is none of sigmoid, tanh, linear")
    if not cfg.loss:
        raise UserError("loss is empty: choose one, such as loss=non_saturating")
    for name, term in cfg.loss.items():
        if not isinstance(term, DictConfig) or "_target_" not in term:
            raise UserError(
                f"loss.{name} sets values for a term that the chosen loss does not have (it names no _target_). "
                f"Add the term (+loss/term={name}), or leave loss.{name} out; the terms are {', '.join(cfg.loss)}."
            )
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
            f"{cfg.dataset.num_train} training images. Write batch_size={min(64, cfg.dataset.num_train)} or less."
        )


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """Turn an error of composition into a message that names the key and a remedy.

    Args:
        error: what Hydra or OmegaConf raised.
        arguments: the command line, to look up what there is beside a misspelt key.

    """
    text = "\n".join(str(part).strip() for part in (error, error.__cause__, error.__context__) if part is not None)
    unknown = re.search(r"Key '([^']*)' (?:is )?not in", text)
    if unknown:
        word = unknown.group(1)
        full_key = re.search(r"full_key: (\S+)", text)
        parent = full_key.group(1).rpartition(".")[0] if full_key else ""
        known = _keys_at(parent, arguments, word) if parent else list(Root.__dataclass_fields__)
        return f"unknown key '{parent + '.' if parent else ''}{word}'{suggest(word, known)}\n{error}"
    option = re.search(r"Could not find '([\w/]+)/([^/']+)'", text)
    if option:
        group, word = option.groups()
        return (
            f"there is no {group}={word}{suggest(word, [p.stem for p in (CONFIG_DIR / group).glob('*.yaml')])}\n{error}"
        )
    key = getattr(error, "full_key", None)
    return f"{key}: {error}" if key and key not in str(error) else str(error)


def _keys_at(parent: str, arguments: Sequence[str], without: str) -> list[str]:
    """Compose the command line without the words that name a misspelt key, and list the keys below `parent`."""
    overrides = [word for word in arguments if "=" in word and without not in word and not word.startswith("-")]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            node = OmegaConf.select(compose("config", overrides), parent)
    except (HydraException, OmegaConfBaseException):
        return []
    return [str(key) for key in node] if isinstance(node, DictConfig) else []
