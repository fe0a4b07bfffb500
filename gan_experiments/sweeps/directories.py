"""Which sweep a command line asks for, and the names of its directories: the same command finds the same ones again."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from gan_experiments.config.keys import PASSING, flat, override_key, short_keys, within
from gan_experiments.types import UserError

LONGEST_NAME = 80
MULTIRUN = {"-m", "--multirun"}
NO_SWEEP = {
    "-h", "--help", "--hydra-help", "--version", "-r", "--run", "-c", "--cfg", "-i", "--info", "-sc",
    "--shell-completion",
}  # fmt: skip
"""Options of Hydra with which nothing is swept, whatever else is on the command line."""
WITH_VALUE = {
    "-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "--experimental-rerun",
}  # fmt: skip
"""Options of Hydra whose next word is no override."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as its command line describes it."""

    directory: Path
    overrides: list[str]  # as typed, without Hydra's own
    arguments: list[str]  # for Hydra: as typed, with the directory


def find_sweep(arguments: Sequence[str]) -> Sweep | None:
    """Return the sweep that a command line asks for; None where it asks for none, or cannot be parsed.

    Raises:
        UserError: the words do not go together in a sweep.
    """
    words = list(arguments)
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    positions = [
        position
        for position, word in enumerate(words)
        if not word.startswith("-") and (position == 0 or words[position - 1] not in WITH_VALUE)
    ]
    typed = [words[position] for position in positions]
    is_multirun = not options.isdisjoint(MULTIRUN)
    has_mode = any(override_key(word) == "hydra.mode" and "MULTIRUN" in word.upper() for word in typed)
    has_sweep = any(override_key(word) == "sweep" for word in typed)
    if not (is_multirun or has_mode or has_sweep) or not options.isdisjoint(NO_SWEEP):
        return None
    try:
        overrides = OverridesParser.create().parse_overrides(typed)
    except OverrideParseException:  # Hydra meets it again, and it is explained there
        return None
    by_key = {override.key_or_group: override for override in overrides}
    _check(by_key)
    of_experiment = [override for override in overrides if not override.is_hydra_override()]
    given = by_key.get("hydra.sweep.dir")
    directory = _default_directory(of_experiment) if given is None else _plain_directory(given)
    if given is None:  # beside the other overrides: options may follow them, but then no more overrides
        words.insert(positions[0] if positions else len(words), f"hydra.sweep.dir={directory}")
    if not is_multirun:
        words.insert(0, "--multirun")
    return Sweep(directory, [override.input_line or "" for override in of_experiment], words)


def _check(overrides: Mapping[str, Override]) -> None:
    if "resume" in overrides and overrides["resume"].value() is not None:
        raise UserError("resume names one run, and this is a sweep: start the sweep's own command again to go on.")
    sweep = overrides.get("sweep")
    if sweep is not None and not sweep.is_add():
        raise UserError(f"no group of the defaults is called sweep: write +{sweep.input_line}, with a plus.")
    if sweep is not None and sweep.is_sweep_override():
        raise UserError(
            "+sweep names one sweep: start one after the other, or write +sweep=[one,other] for both at once."
        )


def _default_directory(overrides: Sequence[Override]) -> Path:
    """Name the directory after what is swept over, whatever the order of the words."""
    values = {override.key_or_group: override.get_value_string() for override in overrides}
    words = [values[key] for key in ("experiment", "sweep") if key in values] or [values.get("dataset", "sweep")]
    of_the_sweep = [
        override.input_line or ""
        for override in overrides
        if override.is_sweep_override() or not within(override.key_or_group, PASSING)
    ]
    digest = hashlib.sha256("\n".join(sorted(of_the_sweep)).encode()).hexdigest()[:8]
    return Path("outputs", "sweeps", f"{safe_name('-'.join(words))}-{digest}")


def _plain_directory(override: Override) -> Path:
    """Return the directory that the command line names, which must be known before anything runs."""
    value = str(override.value())
    if "${" in value:
        raise UserError(
            f"{override.input_line}: a sweep is found again by its directory, so write a plain path, or leave it out."
        )
    return Path(value)


def varying_values(
    overrides: Sequence[str], sweep_overrides: Sequence[str], params: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return those overrides of a job, by key, that are not the same for the whole sweep.

    Args:
        overrides: the job's.
        sweep_overrides: those of the sweep's command line.
        params: `hydra.sweeper.params`, which the command line overrides.
    """
    parser = OverridesParser.create()
    of_sweep = parser.parse_overrides([*(f"{key}={value}" for key, value in (params or {}).items()), *sweep_overrides])
    is_swept = {override.key_or_group: override.is_sweep_override() for override in of_sweep}
    return {
        override.key_or_group: override.get_value_string()
        for override in parser.parse_overrides(list(overrides))
        if is_swept.get(override.key_or_group, True) and not override.is_delete()
    }


def identify(config: Mapping[str, Any], varying: Mapping[str, str]) -> str:
    """Return eight characters that stand for a job: its resolved config, without what may change, such as paths.

    Of an absolute path only the name counts, and nothing of those that a data set is read from but `dataset.path`,
    which counts whole: nothing else distinguishes images of one shape before they are read. What varies in the
    sweep counts as typed, whatever it is: two jobs are never taken for one.
    """
    content: dict[str, Any] = {}
    for key, value in flat(dict(config)).items():
        is_path = isinstance(value, str) and value.startswith("/")
        if within(key, PASSING) or (is_path and key.startswith("dataset.source.")):
            continue
        content[key] = Path(value).name if is_path and key != "dataset.path" else value
    text = json.dumps({"config": content, "varying": dict(varying)}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def job_name(varying: Mapping[str, str]) -> str:
    """Name a job after what varies, in characters that need no quotes."""
    short = short_keys(list(varying))
    return safe_name("_".join(f"{key}-{value}" for key, value in zip(short, varying.values(), strict=True))) or "job"


def safe_name(text: str) -> str:
    """Leave only letters, digits and `._+-`, at most 80."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")[:LONGEST_NAME]
