"""Keys of a config by what they describe: the experiment, its paths, how a run is kept and watched."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

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


class Configured(Protocol):
    """Something that was configured, such as a run."""

    @property
    def flat_config(self) -> Mapping[str, Any]:
        """The config by dotted key; empty where unreadable."""

    @property
    def choices(self) -> Mapping[str, Any]:
        """The choice of each group; empty where unreadable."""


def differing_keys(runs: Sequence[Configured]) -> list[str]:
    """Return the keys in which runs differ; a group choice stands for those keys of its group that follow from it."""
    readable = [run for run in runs if run.flat_config]
    configs, choices = [run.flat_config for run in readable], [run.choices for run in readable]
    groups = [
        group for group in dict.fromkeys(g for c in choices for g in c) if len({str(c.get(group)) for c in choices}) > 1
    ]
    differing = []
    for key in dict.fromkeys(key for config in configs for key in config):
        if within(key, PLACES):
            continue
        if len({json.dumps(config.get(key), sort_keys=True, default=str) for config in configs}) > 1:
            differing.append(key)
    return [*groups, *(key for key in differing if not _follows_from_choice(key, groups, configs, choices))]


def _follows_from_choice(
    key: str, groups: list[str], configs: Sequence[Mapping[str, Any]], choices: Sequence[Mapping[str, Any]]
) -> bool:
    """Return whether a key has one value for each choice of its group, or is the group itself (which may be empty)."""
    for group in groups:
        if not within(key, [group.replace("/", ".")]):
            continue
        seen: dict[str, set[str]] = {}
        for config, choice in zip(configs, choices, strict=True):
            seen.setdefault(str(choice.get(group)), set()).add(json.dumps(config.get(key), default=str))
        if all(len(values) == 1 for values in seen.values()):
            return True
    return False


def short_keys(keys: Sequence[str]) -> list[str]:
    """Shorten dotted keys to their last parts, as many as distinguish them from the others."""
    short = []
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        others = [f".{other}" for other in keys if other != key]
        short.append(next(end for end in ends if end == key or not any(one.endswith(f".{end}") for one in others)))
    return short
