"""Errors of composition in the project's own words: the key, what is wrong with it, what to write instead."""

import re

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import ValidationError
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from gan_experiments.components import suggest
from gan_experiments.config import CONFIG_DIR, Root

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)


def explain(error: Exception) -> str:
    """Turn an error of composition, one of `COMPOSITION_ERRORS`, into a message that names the key and a remedy."""
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        return f"{error.override} cannot be read: write key=value; special characters need quotes, \"{key}='{value}'\""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, word = error.missing_cfg_file.rpartition("/")
        options = error.options or [path.stem for path in (CONFIG_DIR / group).glob("*.yaml")]
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
        message = f"unknown key '{cause.full_key}'{where}{suggest(str(cause.key), map(str, cause.parent_node))}"
        append = re.search(r"To append to your config use (\S+)", text)
        if append and "is not in struct" in str(cause.msg):
            message += f"\nA key that a part takes but its yaml does not list is added with a plus: {append.group(1)}"
        return message
    group_override = re.search(r"Could not override '([^']+)'. No match in the defaults list", text)
    if group_override:
        return f"there is no group to override{where}{suggest(group_override.group(1), Root.__dataclass_fields__)}"
    return text.partition("\nSee https://hydra.cc")[0]  # Hydra's page is about its grammar as a whole
