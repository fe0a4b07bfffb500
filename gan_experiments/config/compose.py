"""From words of the command line to a checked config, with all facts filled in and nothing left to interpolate."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from gan_experiments.config.checks import check_keys, check_labels, cross_check, training_facts
from gan_experiments.config.errors import COMPOSITION_ERRORS, explain
from gan_experiments.config.instantiate import add_code_dirs, check_arguments, instantiate, takes
from gan_experiments.config.keys import override_key, within
from gan_experiments.config.schema import TASK_FACTS, Root
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.types import DatasetFacts, ImageSource, UserError


@dataclass(frozen=True)
class DataParts:
    """Parts that were built to check a config, without torch; `Data` takes them over, so that they are built once."""

    regimes: dict[str, Any]  # by name, in order
    source: ImageSource | None  # where it was asked for facts


@dataclass(frozen=True)
class Composition:
    """A config with what it was composed of; resolved and checked where `compose` returns it."""

    config: DictConfig
    overrides: list[str]  # as typed
    choices: dict[str, Any]  # by group
    parts: DataParts | None = None  # where it is checked

    def checked(self) -> "Composition":
        """Return the same with a resolved config, once keys and values fit together."""
        check_keys(self.config)
        choices = check_structure(self)
        config, parts = prepare(self.config)
        check_labels(config, parts.regimes)
        return Composition(config, self.overrides, choices, parts)


def compose(*words: str) -> Composition:
    """Compose a config as the command line does, check it and resolve it.

    Args:
        words: overrides such as `loss=hinge` and `budget.kimg=60`; the first may be the name of an experiment alone
            (`fmnist_acgan` stands for `+experiment=fmnist_acgan`).

    Raises:
        UserError: something does not exist, is missing, contradictory or cannot work; names the keys and the remedy.

    Example:
        >>> compose("digits_acgan", "budget.epochs=2").config.dataset.num_train
        1500
    """
    if words and words[0].isidentifier():
        words = (f"+experiment={words[0]}", *words[1:])
    try:
        return composition(*words).checked()
    except COMPOSITION_ERRORS as error:
        raise UserError(explain(error, words)) from error


def composition(*overrides: str) -> Composition:
    """Compose a config as the command line does, unchecked and unresolved."""
    register_schema()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = hydra.compose("config", split_resumed(overrides)[0], return_hydra_config=True)
    return from_hydra(config, config.hydra, overrides)


def split_resumed(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words for Hydra and, where `resume` is among them, apart from these the values for the run's config.

    A resumed run may have keys that the defaults lack, such as those of a loss term that was added to it.
    """
    if not any(override_key(word) == "resume" and not word.endswith("=null") for word in words):
        return list(words), []
    held = [word for word in words if _sets_a_value(word)]
    return [word for word in words if word not in held], held


def _sets_a_value(word: str) -> bool:
    key = override_key(word)
    for_hydra = key in ("resume", "allow_changes") or key.startswith(("hydra", "-"))
    return "=" in word and not for_hydra and not (CONFIG_DIR / key).is_dir()


def from_hydra(config: DictConfig, hydra_config: Any, overrides: Sequence[str]) -> Composition:
    """Return what Hydra composed; the choice of several options, such as augment=[flip,crop], is 'flip+crop'."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra", None)
    composed = hydra_config.runtime.choices
    choices = {group: choice for group, choice in composed.items() if not group.startswith("hydra/")}
    for group in map(str, config):  # Hydra leaves out the choices of several options
        if group in choices or OmegaConf.is_missing(config, group) or not (CONFIG_DIR / group).is_dir():
            continue
        if isinstance(config[group], DictConfig):
            choices[group] = "+".join(map(str, config[group]))
    return Composition(config, list(overrides), choices)


def register_schema() -> None:
    """Make the root schema known to Hydra as `schema`, the first entry of the defaults list."""
    ConfigStore.instance().store(name="schema", node=Root)


def check_structure(composed: Composition) -> dict[str, Any]:
    """Check choices and overrides, let the budget that is given take effect, and return the choices that count."""
    config = composed.config
    for group, choice in composed.choices.items():
        if "_target_" in str(choice).split("+"):  # Hydra merges a list of options into one
            raise UserError(f"{group}=[...] was given, but {group} takes one option: write {group}=NAME.")
    unused = list(config.task.get("unused") or [])
    for word in composed.overrides:
        key = override_key(word)
        if within(key, unused) and not word.endswith("=null"):
            raise UserError(f"{word}: this task has no use for {key}. Leave it out, or choose another task=NAME.")
    _take_given_budget(config, composed.overrides)
    return {group: choice for group, choice in composed.choices.items() if not within(group, unused)}


def _take_given_budget(config: DictConfig, overrides: Sequence[str]) -> None:
    """Let a unit of the budget that the command line gives take the place of one that a yaml gives."""
    words = (word.lstrip("+").partition("=") for word in overrides)
    given = {key.removeprefix("budget."): value for key, _, value in words if key.startswith("budget.")}
    if sum(value != "null" for value in given.values()) == 1:
        for unit in config.budget:
            if unit not in given:
                config.budget[unit] = None


def prepare(config: DictConfig) -> tuple[DictConfig, DataParts]:
    """Check the values of a composed config and resolve it: facts filled in, paths absolute, no interpolation left."""
    config = config.copy()
    for key in ("data_dir", "cache_dir"):
        config[key] = _absolute(config[key])
    config.code_dirs = [_absolute(directory) for directory in config.code_dirs]
    if config.dataset.get("path"):
        config.dataset.path = _absolute(config.dataset.path)
    add_code_dirs(config.code_dirs)
    source = _fill_in_facts(config)
    try:
        resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{error.full_key} has no value: {reason}. Write {error.full_key}=VALUE.") from error
    assert isinstance(resolved, DictConfig)
    for key in resolved.task.get("unused") or []:  # what is not used shall not be taken for what was
        value = OmegaConf.select(resolved, key)
        OmegaConf.update(resolved, key, {} if isinstance(value, DictConfig) else None, merge=False)
    cross_check(resolved)
    check_arguments(resolved.regime, "regime")
    regimes = instantiate(resolved.regime, "regime")
    num_images = training_facts(resolved, regimes).num_images
    if resolved.batch_size > num_images:
        raise UserError(
            f"batch_size={resolved.batch_size} is larger than the data set: dataset {resolved.dataset.name!r} has "
            f"{num_images} training images. Write batch_size={num_images} or less."
        )
    return resolved, DataParts(regimes, source)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _fill_in_facts(config: DictConfig) -> ImageSource | None:
    """Ask the source for the facts that the yaml of the data set does not state; return it where it was asked."""
    facts = list(DatasetFacts.__dataclass_fields__)
    if all(config.dataset.get(key) is not None for key in facts):
        return None
    check_arguments(config.dataset.source, "dataset.source")
    source: ImageSource = instantiate(config.dataset.source, "dataset.source")
    try:
        described = asdict(source.describe())
    except OSError as error:
        raise UserError(f"dataset {config.dataset.name!r} cannot be read: {error}") from error
    OmegaConf.set_struct(config.dataset, False)
    for key in facts:
        config.dataset[key] = described[key]
    return source


def without_declared_facts(config: DictConfig) -> DictConfig:
    """Return the config without what yaml files declare of the task and of loss terms, and constructors do not take."""
    config = config.copy()
    config.task = {key: value for key, value in config.task.items() if key not in TASK_FACTS}
    for term in config.loss.values():
        if "needs" in term and not takes(term._target_, "needs"):
            del term["needs"]
    return config
