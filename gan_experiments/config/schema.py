"""From a command line to a checked config: the root schema, and the config with all facts filled in.

Imports neither torch nor Lightning, so that `--help`, `--cfg job` and a typing mistake answer at once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_experiments.config.checks import OWN_PREFIX, TASK_FACTS, cross_check
from gan_experiments.config.instantiate import add_code_dirs, check_arguments, instantiate
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.types import DatasetFacts, ImageSource, TrainingFacts, UserError


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
    cache_dir: str = "${oc.env:GAN_EXPERIMENTS_CACHE,'~/.cache/gan_experiments/cache'}"
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
    report: bool = True
    task: Any = MISSING
    dataset: Any = MISSING
    regime: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    schedule: Any = MISSING
    optimizer: Any = MISSING
    augment: Any = MISSING
    evaluation: Any = MISSING
    alarms: Any = MISSING
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
    for key in ("data_dir", "cache_dir"):
        cfg[key] = str(Path(cfg[key]).expanduser().absolute())
    cfg.code_dirs = [str(Path(directory).expanduser().absolute()) for directory in cfg.code_dirs]
    if cfg.dataset.get("path"):
        cfg.dataset.path = str(Path(cfg.dataset.path).expanduser().absolute())
    add_code_dirs(cfg.code_dirs)
    _fill_in_facts(cfg)
    try:
        resolved = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{error.full_key} has no value: {reason}. Write {error.full_key}=VALUE.") from error
    result = OmegaConf.create(resolved)
    assert isinstance(result, DictConfig)
    for key in result.task.get("unused") or []:  # what is not used shall not be taken for what was
        value = OmegaConf.select(result, key)
        OmegaConf.update(result, key, {} if isinstance(value, DictConfig) else None, merge=False)
    cross_check(result)
    num_images = count_training_images(result)
    if result.batch_size > num_images:
        raise UserError(
            f"batch_size={result.batch_size} is larger than the data set: dataset {result.dataset.name!r} gives "
            f"{num_images} training images. Write batch_size={num_images} or less."
        )
    return result


def without_task_facts(cfg: DictConfig) -> DictConfig:
    """Return the config without what the task declares, which is no argument of it."""
    cfg = cfg.copy()
    cfg.task = {key: value for key, value in cfg.task.items() if key not in TASK_FACTS}
    return cfg


def count_training_images(cfg: DictConfig) -> int:
    """Return the number of images that the regimes leave to train on, the most where only labels tell.

    Raises:
        UserError: a regime asks for more than the images have.
    """
    check_arguments(cfg.regime, "regime")
    return _training_facts(cfg).num_images


def check_labels(cfg: DictConfig) -> None:
    """Find a new run that has too few classes, or whose regime changes labels which nothing reads.

    Raises:
        UserError: says which, and what to choose instead.
    """
    facts, least = _training_facts(cfg), cfg.task.get("min_classes") or 0
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
    """Whether the task or a term of the loss trains a class head; one of the user's own may, whatever it says."""
    parts = [part for part in (cfg.task, *cfg.loss.values()) if part.get("weight") != 0]
    return any("class_head" in (part.get("needs") or []) or _is_own(part) for part in parts)


def _reads_labels(cfg: DictConfig) -> bool:
    networks = (cfg.model.generator, cfg.model.discriminator)
    told = any(network.get("condition") is not None or _is_own(network) for network in networks)
    return bool(cfg.model.conditional) or told or trains_class_head(cfg)


def _is_own(part: DictConfig) -> bool:
    """Return whether a part is of the user's own code."""
    return not part.get("_target_", OWN_PREFIX).startswith(OWN_PREFIX)


def _training_facts(cfg: DictConfig) -> TrainingFacts:
    facts = TrainingFacts(cfg.dataset.num_train, cfg.dataset.num_classes, cfg.dataset.image_size)
    for regime in instantiate(cfg.regime, "regime").values():
        facts = regime.describe(facts)
    return facts


def _fill_in_facts(cfg: DictConfig) -> None:
    facts = list(DatasetFacts.__dataclass_fields__)
    if all(cfg.dataset.get(key) is not None for key in facts):
        return
    check_arguments(cfg.dataset.source, "dataset.source")
    source: ImageSource = instantiate(cfg.dataset.source, "dataset.source")
    try:
        described = asdict(source.describe())
    except OSError as error:
        raise UserError(f"dataset {cfg.dataset.name!r} cannot be read: {error}") from error
    OmegaConf.set_struct(cfg.dataset, False)
    for key in facts:
        cfg.dataset[key] = described[key]


def group_choices(composed: Mapping[str, Any], cfg: DictConfig) -> dict[str, Any]:
    """Return the choice of each group; Hydra leaves out those of several at once, such as augment=[flip,crop].

    Args:
        composed: `hydra.runtime.choices`.
        cfg: what came out.
    """
    choices = {group: choice for group, choice in composed.items() if not group.startswith("hydra/")}
    for group in map(str, cfg):
        if group in choices or OmegaConf.is_missing(cfg, group) or not (CONFIG_DIR / group).is_dir():
            continue
        if isinstance(cfg[group], DictConfig):
            choices[group] = "+".join(map(str, cfg[group]))
    return choices
