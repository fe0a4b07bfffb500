"""Errors of composition as messages that name the key, what is wrong with it, and what to write instead."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf, ValidationError
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from gan_experiments.config.instantiate import takes
from gan_experiments.config.keys import override_key
from gan_experiments.config.schema import FURTHER_GROUPS, Root
from gan_experiments.config.suggestions import CONFIG_DIR, nearest, suggest, suggest_key

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)


def explain(error: Exception, words: Sequence[str] = ()) -> str:
    """Turn an error of composition, one of `COMPOSITION_ERRORS`, into a message that names the key and a remedy."""
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        return f"{error.override} cannot be read: write key=value; special characters need quotes, \"{key}='{value}'\""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = error.options or [path.stem for path in (CONFIG_DIR / group).glob("*.yaml")]
        return f"there is no {group}={name}{suggest(name, options)}"
    if isinstance(error, YAMLError):
        return f"a config file is not valid yaml: {error}"
    text = str(error)
    file = re.match(r"In '([^']+)'", text)
    where = f" (in {file.group(1)}.yaml)" if file else ""
    cause = error if isinstance(error, ValidationError) else error.__context__
    if isinstance(cause, ValidationError):
        reason = str(cause.msg).partition("\n")[0]
        return (
            f"{cause.full_key}{where}: {reason}. Write {cause.full_key}=VALUE as --cfg job shows it, or leave it out."
        )
    if isinstance(cause, OmegaConfBaseException) and cause.parent_node is not None:
        return _unknown_key(cause, words, where)
    if group_error := re.search(r"Could not override '([^']+)'", text):
        return _unknown_group(group_error.group(1), words, where)
    return text.partition("\nSee https://hydra.cc")[0]  # Hydra's page is about its grammar as a whole


def explain_plain(error: ValueError | TypeError, words: Sequence[str]) -> str | None:
    """Turn one of Python's own errors that composition lets through into a message with a remedy; None if no such."""
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


def _unknown_key(cause: OmegaConfBaseException, words: Sequence[str], where: str) -> str:
    """Name an unknown key and where it belongs; a plus is advised only for an argument that the part takes."""
    content: Any = OmegaConf.to_container(cause.parent_node)
    node = content if isinstance(content, dict) else {}
    key, name = str(cause.full_key), str(cause.key)
    known = list(map(str, node if "." in key else [*node, *FURTHER_GROUPS]))
    word = next((word for word in words if f"{override_key(word)}.".startswith(f"{key}.")), "")
    message = f"unknown key '{key}'{where}"
    takes_it = "_target_" in node and not nearest(name, known) and takes(str(node["_target_"]), name)
    if word and ("._target_=" in word or takes_it):
        return (
            f"{message}{suggest(name, known)}\n"
            f"A key that a part takes but its yaml does not list is added with a plus: +{word.lstrip('+')}"
        )
    return message + suggest_key(key, node, known, word)


def _unknown_group(group: str, words: Sequence[str], where: str) -> str:
    """Name a group that is not in the defaults list; one that exists needs a plus on the command line."""
    word = next((word for word in words if override_key(word) == group), "")
    if word and (CONFIG_DIR / group).is_dir():
        return f"{group} is not among the defaults, so it is added with a plus: write +{word}"
    return f"{group}: there is no group to override{where}{suggest(group, Root.__dataclass_fields__)}"
