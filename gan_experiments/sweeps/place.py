"""Which sweep a command line asks for, and where it lies: the same command finds the same directory again."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from gan_experiments.config.keys import PASSING, flat, within
from gan_experiments.types import UserError

LONGEST_NAME = 80


@dataclass(frozen=True)
class Sweep:
    """A sweep as its command line gives it."""

    directory: Path
    overrides: list[str]  # as typed, without Hydra's own
    arguments: list[str]  # for Hydra: as typed, with the directory


def find_sweep(arguments: Sequence[str]) -> Sweep | None:
    """Find the sweep that a command line asks for; None where it asks for something else, or cannot be read.

    Raises:
        UserError: the words do not go together in a sweep.
    """
    parser = get_args_parser()
    args = parser.parse_args(list(arguments))
    if any((args.help, args.hydra_help, args.run, args.cfg, args.info, args.shell_completion)):
        return None
    try:
        overrides = OverridesParser.create().parse_overrides(args.overrides)
    except OverrideParseException:  # Hydra meets it again, and it is explained there
        return None
    own = [override for override in overrides if not override.is_hydra_override()]
    given = {override.key_or_group: override for override in overrides}
    mode = given.get("hydra.mode")
    if not (args.multirun or "sweep" in given or (mode and str(mode.value()).upper() == "MULTIRUN")):
        return None
    _check(given)
    place = given.get("hydra.sweep.dir")
    directory = _default_directory(own) if place is None else _resolved(place)
    words = list(arguments)
    if place is None:  # beside the other overrides: options may follow them, but then no more overrides
        position = words.index(args.overrides[0]) if args.overrides else len(words)
        words.insert(position, f"hydra.sweep.dir={directory}")
    if not args.multirun:
        words.insert(0, "--multirun")
    return Sweep(directory, [override.input_line or "" for override in own], words)


def _check(given: Mapping[str, Override]) -> None:
    if "resume" in given and given["resume"].value() is not None:
        raise UserError("resume names one run, and this is a sweep: start the sweep's own command again to go on.")
    sweep = given.get("sweep")
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


def _resolved(override: Override) -> Path:
    """Return the directory that is named on the command line, where it can be known before anything runs."""
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
        params: `hydra.sweeper.params`, over which the command line goes.
    """
    parser = OverridesParser.create()
    spec = [f"{key}={value}" for key, value in (params or {}).items()]
    common = {
        override.key_or_group
        for override in {o.key_or_group: o for o in parser.parse_overrides([*spec, *sweep_overrides])}.values()
        if not override.is_sweep_override()
    }
    own = parser.parse_overrides(list(overrides))
    return {o.key_or_group: o.get_value_string() for o in own if o.key_or_group not in common and not o.is_delete()}


def identify(config: Mapping[str, Any], varying: Mapping[str, str]) -> str:
    """Return eight characters that stand for a job: its resolved config, without what may change and where things lie.

    Of an absolute path only the name counts, and nothing of those that a data set is read from but `dataset.path`,
    which counts whole: images of one shape are told apart by nothing else before they are read. What varies in the
    sweep counts as typed, whatever it is: two jobs are never taken for one.
    """
    kept = {}
    for key, value in flat(dict(config)).items():
        is_path = isinstance(value, str) and value.startswith("/")
        if within(key, PASSING) or (is_path and key.startswith("dataset.source.")):
            continue
        kept[key] = Path(value).name if is_path and key != "dataset.path" else value
    content = json.dumps({"config": kept, "varying": dict(varying)}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Shorten dotted keys to their last two parts, or as many as tell them apart."""
    parts = {key: re.split(r"[./]", key) for key in keys}
    longest = max(map(len, parts.values()), default=2)
    for count in range(2, longest + 1):
        short = {key: ".".join(words[-count:]) for key, words in parts.items()}
        if len(set(short.values())) == len(short):
            return short
    return dict(zip(keys, keys, strict=True))


def readable(varying: Mapping[str, str]) -> str:
    """Name a job after what varies, in characters that need no quotes."""
    short = short_keys(list(varying))
    return safe_name("_".join(f"{short[key]}-{value}" for key, value in varying.items())) or "job"


def safe_name(text: str) -> str:
    """Leave only letters, digits and `._+-`, at most 80."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")[:LONGEST_NAME]
