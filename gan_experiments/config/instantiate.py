"""Parts named by `_target_` in yaml: how their arguments are checked, and the one way to build them."""

import dataclasses
import difflib
import inspect
import json
import logging
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import hydra
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, TypeAdapter, ValidationError

from gan_experiments.config.suggestions import suggest_key
from gan_experiments.types import UserError

HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}
MOVED = {
    "callbacks.alarms.dead_generator.": "callbacks.alarms.",
    "callbacks.alarms.divergence.": "callbacks.alarms.",
    "callbacks.alarms.mode_collapse.": "callbacks.alarms.",
    "callbacks.alarms.mutual_defeat.": "callbacks.alarms.",
    "callbacks.alarms.overpowering_discriminator.": "callbacks.alarms.",
    "data.augment.": "augment.operations.",
    "data.image_folder.": "datasets.folder.",
    "data.image_set.": "datasets.base.",
    "data.pipeline.": "datasets.loader.",
    "data.torchvision_source.": "datasets.torchvision.",
    "data.": "datasets.",
    "evaluation.metrics.": "metrics.",
    "evaluation.": "metrics.",
    "losses.base.": "losses.objective.",
    "models.keras.": "models.layers.",
    "schedules.": "engine.schedules.",
    "tracking.": "loggers.",
    "training.learning_rate.": "engine.hyperparameters.",
    "training.": "engine.",
}
"""Where the modules of the first versions are now, for messages; the first prefix that fits."""


def takes(target: str, name: str) -> bool:
    """Return whether what `target` names takes an argument, as far as can be known: yes where it cannot be imported."""
    try:
        named, open_ended = _arguments(_find(target))
    except Exception:  # importing a user's own module may raise anything
        return True
    return open_ended or name in named


def _find(target: str) -> Any:
    """Return what `target` names; may raise anything, for it imports the module, which may be the user's own."""
    logger = logging.getLogger("hydra.utils")  # logs what it also raises
    disabled, logger.disabled = logger.disabled, True
    try:
        return hydra.utils.get_object(target)
    finally:
        logger.disabled = disabled


def _arguments(part: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the arguments that a part names, and whether it takes any others."""
    parameters = inspect.signature(part).parameters.values()
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


def add_code_dirs(directories: Iterable[str]) -> None:
    """Put the user's own parts on the import path, after everything installed."""
    for directory in directories:
        if directory not in sys.path:
            sys.path.append(directory)


def instantiate(node: Any, key: str, **supplied: Any) -> Any:
    """Build what a node's `_target_` names, with `supplied` arguments; the one place that instantiates."""
    try:
        return hydra.utils.instantiate(node, _convert_="all", **supplied)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise UserError(str(cause)) from error
        reason = f"{type(cause).__name__}: {cause}" if cause is not None else str(error).splitlines()[0]
        raise UserError(f"{key} could not be built: {reason}") from error


def check_arguments(cfg: DictConfig, key: str = "") -> None:
    """Check every part in a node at `key` against its constructor: names, required arguments, types. Builds nothing."""
    for place, node in _parts(OmegaConf.to_container(cfg, resolve=True), key):
        _check_part(place, node)


def _parts(value: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if "_target_" in value:
            yield key, value
        for name, child in value.items():
            yield from _parts(child, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _parts(child, f"{key}[{index}]")


def _check_part(key: str, node: dict[str, Any]) -> None:
    target = node["_target_"]
    try:
        part = _find(target)
    except Exception as error:
        cause = error.__cause__ or error
        if new := moved(target):
            raise UserError(f"{key}._target_: {target} has moved: write {new}.") from error
        raise UserError(
            f"{key}._target_: cannot import {target!r} ({type(cause).__name__}: {cause}){_suggest_target(target)}. "
            f"If it is a part of your own, name the directory that holds it in code_dirs=[...]."
        ) from error
    try:
        named, open_ended = _arguments(part)
    except (TypeError, ValueError):  # some extension types have no signature
        return
    given = {name: value for name, value in node.items() if name not in HYDRA_KEYS}
    for name in given:
        if name not in named and not open_ended:
            advice = suggest_key(f"{key}.{name}", node, named)
            raise UserError(f"{key}.{name}: {target} takes no argument {name!r}{advice}")
    if not node.get("_partial_"):
        for name, parameter in named.items():
            if parameter.default is inspect.Parameter.empty and name not in given:
                raise UserError(f"{key}.{name} is missing: {target} needs it")
    hints, _ = type_hints(part)
    for name, value in given.items():
        if name in hints and not any(True for _ in _parts(value, "")):
            check_type(f"{key}.{name}", value, hints[name])


def _suggest_target(target: str) -> str:
    """Suggest a name where the module is found and has one that is near."""
    module, _, name = target.rpartition(".")
    near = difflib.get_close_matches(name, dir(sys.modules.get(module)), n=1)
    return f"; did you mean '{module}.{near[0]}'?" if module in sys.modules and near else ""


def moved(target: str) -> str:
    """Return where a part of the first versions is now; empty for others."""
    inside = target.removeprefix("gan_experiments.")
    prefix = next((prefix for prefix in MOVED if inside.startswith(prefix)), None)
    if inside == target or prefix is None:
        return ""
    new = f"gan_experiments.{MOVED[prefix]}{inside.removeprefix(prefix)}"
    try:
        _find(new)
    except Exception:
        return ""
    return new


def type_hints(part: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the types of a constructor's arguments by name, and the names whose types cannot be resolved.

    The fields of a dataclass are resolved in the modules of the classes that define them, which may be others than that
    of the dataclass itself.
    """
    if inspect.isclass(part) and dataclasses.is_dataclass(part):
        classes = [(vars(each), vars(sys.modules[each.__module__])) for each in reversed(part.__mro__)]
        definitions = [(members.get("__annotations__", {}), names) for members, names in classes]
    else:
        function = part.__init__ if inspect.isclass(part) else part
        definitions = [(getattr(function, "__annotations__", {}), getattr(function, "__globals__", {}))]
    hints: dict[str, Any] = {}
    unresolved = []
    for annotations, names in definitions:
        for name, annotation in annotations.items():
            holder: Any = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                hints |= typing.get_type_hints(holder, names, include_extras=True)
            except (NameError, TypeError, AttributeError):  # such as a name that exists for type checkers alone
                unresolved.append(name)
    return hints, unresolved


def check_type(key: str, value: Any, hint: Any) -> None:
    """Check a value from a yaml against a type."""
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True, strict=True))
    except Exception:  # an annotation that pydantic does not know tells nothing about a yaml value
        return
    try:
        # The values of a yaml are those of JSON, for which pydantic's strict mode takes a list for a tuple or a
        # sequence and an integer for a float, but never a string for a number.
        adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        errors = [item for item in error.errors() if item["type"] != "needs_python_object"]
        if errors:
            reasons = list(dict.fromkeys(item["msg"] for item in errors))
            # One for each member of a union; a single reason is clearer than the description does.
            described = _described(hint) if len(reasons) > 1 else ""
            raise UserError(f"{key}={value!r} has a wrong type or value: {described or '; '.join(reasons)}") from error


def _described(hint: Any) -> str:
    """Return the description of a pydantic Field among the annotations of a type; empty where there is none."""
    descriptions = (getattr(fact, "description", None) for fact in getattr(hint, "__metadata__", ()))
    return next((f"it should be {words}" for words in descriptions if words), "")
