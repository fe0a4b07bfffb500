"""What a run is called in a tracker: the experiment, what this run does otherwise, the seed."""

import hashlib
from collections.abc import Iterable, Mapping

from gan_experiments.config.keys import PASSING, override_key, within

LONGEST = 64  # characters
UNNAMED = (*PASSING, "dataset.path", "experiment", "seed", "init_from", "hydra", "sweep", "evaluation")
"""Keys that say where a run is kept, and how it is watched: it would be the same run without them."""


def run_name(choices: Mapping[str, object], overrides: Iterable[str], seed: int) -> str:
    """Return `<experiment>-<what differs>-s<seed>`, at most 64 characters."""
    experiment = str(choices.get("experiment") or choices.get("dataset"))
    unnamed = UNNAMED if choices.get("experiment") else (*UNNAMED, "dataset")
    named: dict[str, str] = {}
    for override in overrides:
        key, value = override_key(override), override.partition("=")[2]
        if within(key, unnamed):
            continue
        text = "null" if override.startswith("~") else value.strip("'\"[] ")
        named[key] = _phrase(key, text, is_group=key in choices)
    return _shortened(experiment, "-".join(phrase for phrase in named.values() if phrase), f"s{seed}")


def _phrase(key: str, value: str, is_group: bool) -> str:
    """Return one override as text: a choice by its name, another value by its key without the group."""
    parts = key.replace("/", ".").split(".")
    if value in ("null", "none"):
        return "" if parts[0] == "budget" else f"no_{parts[-1]}"  # a budget's unit gives way to another, which is named
    value = "+".join(part.strip(" '\"") for part in value.split(","))
    short = ".".join(parts[1:] if len(parts) > 2 else parts)
    return value if is_group else f"{short}={value}"


def _shortened(experiment: str, differing: str, seed: str) -> str:
    """Join the parts; what is cut off is replaced by four digits that follow from it, so that names stay apart."""
    whole = "-".join(part for part in (experiment, differing, seed) if part)
    if len(whole) <= LONGEST:
        return whole
    mark = f"~{hashlib.sha256(whole.encode()).hexdigest()[:4]}-{seed}"
    return whole[: LONGEST - len(mark)].rstrip("-") + mark
