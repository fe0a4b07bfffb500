"""Errors of composition in the project's own words: the key, what is wrong with it, what to write instead."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf, ValidationError
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from gan_experiments.config.checks import FURTHER_GROUPS
from gan_experiments.config.instantiate import takes
from gan_experiments.config.keys import override_key
from gan_experiments.config.schema import Root
from gan_experiments.config.suggestions import CONFIG_DIR, nearest, suggest, suggest_key

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)


def explain(error: Exception) -> str:
    """Turn an error of composition, one of `COMPOSITION_ERRORS`, into a message that names the key and a remedy."""
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        return f"{error.override} cannot be read: write key=value; special characters need quotes, \"{key}='{value}'\""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, word = error.missing_cfg_file.rpartition("/")
        options = error.options or _options(group)
        return f"there is no {group}={word}{suggest(word, options)}"
    if isinstance(error, YAMLError):
        return f"a config file is not valid yaml: {error}"
    text = str(error)
    file = re.match(r"In '([^']+)'", text)
    where = f" (in {file.group(1)}.yaml)" if file else ""
    cause = error.__context__
    if isinstance(cause, ValidationError):
        reason = str(cause.msg).partition("\n")[0]
        return (
            f"{cause.full_key}{where}: {reason}. Write {cause.full_key}=VALUE as --cfg job shows it, or leave it out."
        )
    if isinstance(cause, OmegaConfBaseException) and cause.parent_node is not None:
        return _unknown_key(cause, text, where)
    not_there = re.search(r"Could not override '([^']+)'. No match in the defaults list", text)
    if not_there:
        return _no_group(not_there.group(1), text, where)
    twice = re.match(r"(\S+) appears more than once in the final defaults list", text)
    if twice:
        return _named_twice(twice.group(1))
    return text.partition("\nSee https://hydra.cc")[0]  # Hydra's page is about its grammar as a whole


def explain_plain(error: ValueError | TypeError, words: Iterable[str]) -> str | None:
    """Turn one of Python's own errors that composition lets through into a message with a remedy; None if no such.

    Args:
        error: what was raised.
        words: of the command line.
    """
    text = str(error)
    if text.startswith("Config group override"):
        return (
            "a group is given a number or null, no name: write group=NAME; `gan-experiments list GROUP` lists the names"
        )
    place = re.fullmatch(
        r"(?:invalid literal for int\(\) with base 10:|Index) '(.*?)'(?: \(str\) is not an int)?", text
    )
    if place is None:
        return None
    for key in map(override_key, words):
        above, *parts = key.split(".")
        if place[1] in parts:
            parent = ".".join([above, *parts[: parts.index(place[1])]])
            return f"{key}: {parent} is a list, whose entries have numbers: write {parent}=[...] or {parent}.0=VALUE"
    return None


def _options(group: str) -> list[str]:
    return [path.stem for path in (CONFIG_DIR / group).glob("*.yaml")]


def _unknown_key(cause: OmegaConfBaseException, text: str, where: str) -> str:
    """Name an unknown key and where it belongs; a plus is advised only for what the part takes."""
    content: Any = OmegaConf.to_container(cause.parent_node)
    node = content if isinstance(content, dict) else {}
    known = list(map(str, node if "." in str(cause.full_key) else [*node, *FURTHER_GROUPS]))
    parent, _, name = str(cause.full_key).rpartition(".")
    if parent == "regime.steps" and name not in (steps := _options("regime/step")):
        known += steps
    append = re.search(r"To append to your config use \+(.+)", text)
    word = append.group(1) if append else f"{cause.full_key}=VALUE"
    message = f"unknown key '{cause.full_key}'{where}"
    if append and ("._target_=" in word or _is_taken(node, str(cause.key), known)):
        return (
            f"{message}{suggest(str(cause.key), known)}\n"
            f"A key that a part takes but its yaml does not list is added with a plus: +{word}"
        )
    return message + suggest_key(str(cause.full_key), node, known, word)


def _is_taken(node: Mapping[str, Any], name: str, known: Sequence[str]) -> bool:
    """Whether a part takes an argument; not where it is likely misspelt, for importing the part takes seconds."""
    return "_target_" in node and not nearest(name, known) and takes(str(node["_target_"]), name)


def _no_group(group: str, text: str, where: str) -> str:
    """Tell a group that is not in the defaults list; one that there is needs a plus on the command line."""
    append = re.search(r"To append to your default list use (.+)", text)
    if append and (CONFIG_DIR / group).is_dir():
        word = re.sub(r"[' ]", "", append.group(1))
        if group == "regime/step":  # a plus alone would give steps to regime=none
            return f"{group} needs regime=chain: write regime=chain {word.removeprefix('+')}"
        return f"{group} is not among the defaults, so it is added with a plus: write {word}"
    return f"{group}: there is no group to override{where}{suggest(group, Root.__dataclass_fields__)}"


def _named_twice(key: str) -> str:
    """Tell an option that is named twice, such as regime@regime.steps.first_n."""
    group, _, package = key.partition("@")
    if not package.startswith("regime.steps."):
        return f"{group} is named twice: name each option of a group once"
    name = package.rpartition(".")[2]
    return (
        f"regime/step names {name} twice, but each kind of step can be given once in a chain: write {name} once, with "
        f"its settings in {package}"
    )
