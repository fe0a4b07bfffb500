"""Keys of a config by what they describe: the experiment, its paths, how a run is kept and watched."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PLACES = ("data_dir", "cache_dir", "code_dirs", "resume", "dataset.path", "dataset.source")
"""Paths: two runs do not differ by where they were made."""
LABELS = ("name", "notes", "tags")
WATCHING = (
    "logger", "report", "sample_every_kimg", "checkpoint_every_kimg", "keep_checkpoints", "log_every_iterations",
)  # fmt: skip
"""How a run is kept and watched: its weights would be the same."""
PASSING = ("data_dir", "cache_dir", "code_dirs", "resume", "data", "allow_changes", *LABELS, *WATCHING)
"""What a job of a sweep may change and still be the same job."""
FREE_TO_CHANGE = (*PASSING, "dataset.path", "budget", "evaluation", "alarms")
"""What a resumed run may change: a data set is known by its images, and a longer budget is the commonest wish."""
NOT_THE_EXPERIMENT = (*PLACES, *LABELS, *WATCHING, "seed", "allow_changes")
"""In what the runs of one group differ, and in nothing else."""


def within(key: str, names: Iterable[str]) -> bool:
    """Return whether a dotted key, or a group, is one of the names or below one."""
    dotted = key.replace("/", ".")
    return any(f"{dotted}.".startswith(f"{name}.") for name in names)


def budget_key(flat_config: Mapping[str, Any]) -> str:
    """Return the key of the budget that a run was given; that of epochs where none is known."""
    given = (f"budget.{unit}" for unit in ("epochs", "kimg", "generator_steps"))
    return next((key for key in given if flat_config.get(key) is not None), "budget.epochs")


def override_key(word: object) -> str:
    """Return the key, or the group, of a word of the command line: of +loss/term@loss=r1 it is loss/term."""
    return str(word).lstrip("+~").partition("=")[0].partition("@")[0]


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested config as dotted keys and plain values."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values


def differing_facts(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the keys whose values differ, with both; None for a key that is not there."""
    pairs = {key: (first.get(key), second.get(key)) for key in dict.fromkeys([*first, *second])}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def short_keys(keys: Sequence[str]) -> list[str]:
    """Shorten dotted keys to their last parts, as many as distinguish them from the others."""
    short = []
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        others = [f".{other}" for other in keys if other != key]
        short.append(next(end for end in ends if end == key or not any(one.endswith(f".{end}") for one in others)))
    return short
