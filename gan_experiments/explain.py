"""Errors of composition in the project's own words: the key, what is wrong with it, what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from gan_experiments.components import suggest
from gan_experiments.config import CONFIG_DIR, Root

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)
KINDS = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
SEARCH_DIRECTORY = re.compile(r"--config-dir(?:=(.+))?|-cd(.+)?")


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """Turn an error of composition into a message that names the key and a remedy.

    Args:
        error: one of `COMPOSITION_ERRORS`.
        arguments: the command line, to look up what there is beside a misspelt key.
    """
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    text = "\n".join(str(part).strip() for part in (error, error.__cause__, error.__context__) if part is not None)
    file = re.search(r"In '([^']+)': \w+ raised", text)
    where = f" (in {file.group(1)}.yaml)" if file else ""
    full_key = re.search(r"full_key: (\S+)", text)
    key = full_key.group(1) if full_key else ""
    for message in (_unknown_key(text, key, where, arguments), _wrong_type(text, key, where), _unknown_option(text)):
        if message:
            return message
    if isinstance(error, YAMLError):
        return f"a config file is not valid yaml: {error}"
    advice = str(error).partition("\nSee https://hydra.cc")[0]  # Hydra's page is about its grammar as a whole
    return f"{key}: {advice}" if key and key not in advice else advice


def _unreadable(error: OverrideParseException) -> str:
    key, equals, value = error.override.partition("=")
    if not equals:
        return f"{key!r} says nothing: write key=value; --help shows how."
    lines = [line for line in error.message.splitlines() if not line.startswith(("Error parsing", "See https"))]
    quoted = f"\"{key}='{value}'\""
    return f"{error.override} cannot be read ({' '.join(lines)}): mend it, or quote special characters, {quoted}"


def _unknown_key(text: str, key: str, where: str, arguments: Sequence[str]) -> str:
    found = re.search(r"Key '([^']*)' (?:is )?not in", text)
    if not found:
        return ""
    word = found.group(1)
    parent = key.rpartition(".")[0]
    known = _keys_at(parent, arguments, word)
    message = f"unknown key '{parent + '.' if parent else ''}{word}'{where}{suggest(word, known)}"
    override = re.search(r"To append to your config use (\S+)", text)
    if override and parent and parent not in ("budget", "data"):
        message += f"\nA key that {parent} takes but its yaml does not list is added with a plus: {override.group(1)}"
    return message


def _wrong_type(text: str, key: str, where: str) -> str:
    value = re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", text)
    if value:
        kind = KINDS.get(value.group(2), value.group(2))
        if not value.group(1):
            return f"{key} is empty{where}: write {key}=VALUE with {kind}, or leave it out."
        return f"{key}={value.group(1)}{where} is not {kind}: write {key}=VALUE with {kind}, or leave it out."
    if "is not a ListConfig, list or tuple" in text:
        return f"{key}{where} is a list: write {key}=[a,b], or leave it out."
    if "is not Optional" in text:
        return f"{key}{where} may not be null: write a value, or leave it out."
    if "is not a subclass of" in text:
        return f"{key}{where} has keys of its own: {', '.join(f'{key}.{name}' for name in _keys_at(key, (), ''))}."
    return ""


def _unknown_option(text: str) -> str:
    option = re.search(r"Could not find '([^']*)/([^/']*)'", text)
    if option:
        group, word = option.groups()
        listed = re.search(r"Available options in '[^']*':\n((?:\t.*\n?)+)", text)
        known = listed.group(1).split() if listed else []
        if not word:
            return f"{group} is empty: write {group}=NAME, or leave it out; there are {', '.join(known)}."
        if not known:
            return f"there is no group '{group}'{suggest(group, Root.__dataclass_fields__)}"
        return f"there is no {group}={word}{suggest(word, known)}"
    group_override = re.search(r"In '([^']+)': Could not override '([^']+)'. No match in the defaults list", text)
    if group_override:
        file, word = group_override.groups()
        return f"there is no group '{word}' to override (in {file}.yaml){suggest(word, Root.__dataclass_fields__)}"
    return ""


def _keys_at(parent: str, arguments: Sequence[str], without: str) -> list[str]:
    """List the keys below `parent`: of the schema, else of what the command line composes to without a misspelt key."""
    node = OmegaConf.select(OmegaConf.structured(Root), parent) if parent else OmegaConf.structured(Root)
    if not isinstance(node, DictConfig):
        overrides = [word for word in arguments if "=" in word and without not in word and not word.startswith("-")]
        overrides.append(f"hydra.searchpath=[{','.join(f'file://{path}' for path in _search_directories(arguments))}]")
        GlobalHydra.instance().clear()
        try:
            with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
                node = OmegaConf.select(compose("config", overrides), parent)
        except COMPOSITION_ERRORS:
            return []
    return [str(key) for key in node] if isinstance(node, DictConfig) else []


def _search_directories(arguments: Sequence[str]) -> Iterator[Path]:
    """Find the user's own config directories on the command line."""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option = SEARCH_DIRECTORY.fullmatch(word)
        if option:
            yield Path(option.group(1) or option.group(2) or following).absolute()
