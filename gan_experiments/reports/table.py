"""Runs as a table: what they differ in, what was measured, their order, and groups that differ in their seed alone."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gan_experiments.config.keys import LABELS, NOT_THE_EXPERIMENT, WATCHING, within
from gan_experiments.formatting import encodable, show
from gan_experiments.reports.statistics import differences, estimate
from gan_experiments.runs.run import Run, differing_keys
from gan_experiments.types import MetricSpec, MetricValue

DATA = "data"
"""Stands for the images themselves, where they differ and the config does not."""
CSV_BEGINS = "rank,run,directory,state,"
MOST_TESTED = 12
"""Groups of which all pairs are tested: 66 pairs, to be read by people."""


@dataclass(frozen=True, eq=False)
class MetricColumn:
    """All values of one key that were measured by one protocol."""

    key: str
    protocol_hash: str
    number: int  # 1 for the protocol by which most runs were measured
    values: list[MetricValue]

    @property
    def spec(self) -> MetricSpec:
        return self.values[0].spec

    @property
    def protocol(self) -> Mapping[str, Any]:
        return self.values[0].protocol

    @property
    def heading(self) -> str:
        """The column's heading, unlike that of any other."""
        return self.key if self.number == 1 else f"{self.key} · protocol {self.number}"

    @property
    def arrow(self) -> str:
        return "↑" if self.spec.higher_is_better else "↓"

    def sort_key(self, value: MetricValue | None) -> float:
        """Return what sorts the best value first, and what has none last."""
        if value is None or value.value is None:
            return math.inf
        return -value.value if self.spec.higher_is_better else value.value


@dataclass
class Comparison:
    """Runs, best first. The rows of frames and the keys of values are positions among them."""

    runs: list[Run]
    unread: list[Run]
    columns: list[MetricColumn]  # that which ranks the runs first
    values: list[dict[MetricColumn, MetricValue]]  # of each run

    @property
    def best(self) -> MetricColumn | None:
        """The column by which the runs are ranked."""
        return self.columns[0] if self.columns else None

    def number(self, position: int, column: MetricColumn) -> float | None:
        """Return a run's value in a column; None where it has none."""
        value = self.values[position].get(column)
        return value.value if value else None

    @cached_property
    def ranks(self) -> list[int | None]:
        """The rank of each run by the best column; None without a value there."""
        best = self.best
        return [at + 1 if best and self.number(at, best) is not None else None for at in range(len(self.runs))]

    @cached_property
    def names(self) -> list[str]:
        """The runs' names, no two alike: by their directories where names are."""
        names = [encodable(run.name) for run in self.runs]
        for parts in (2, 0):  # 0: the whole path
            counts = Counter(names)
            for at, run in enumerate(self.runs):
                if counts[names[at]] > 1:
                    directory = "/".join(run.directory.parts[-parts:]) if parts else run.directory
                    names[at] = f"{encodable(run.name)} ({encodable(str(directory))})"
        return names

    @cached_property
    def settings(self) -> pd.DataFrame:
        """The values, as text, of the keys in which the runs differ."""
        keys = [key for key in differing_keys(self.runs) if not within(key, (*LABELS, *WATCHING))]
        frame = pd.DataFrame([{key: show(run.settings.get(key)) for key in keys} for run in self.runs], dtype=object)
        if len(set(map(identity, self.runs))) > len({identity(run, data=False) for run in self.runs}):
            frame[DATA] = [show(_images(run)) for run in self.runs]
        return frame

    @property
    def keys(self) -> list[str]:
        return list(self.settings.columns)

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """The positions of runs that are equal in everything but their seed, by a name for each such group."""
        groups: dict[str, list[int]] = {}
        for at, run in enumerate(self.runs):
            groups.setdefault(identity(run), []).append(at)
        firsts = self.settings.loc[[group[0] for group in groups.values()]]
        keys = distinguishing_keys(firsts, [key for key in self.keys if key != "seed"])
        names = [", ".join(f"{key}={row[key]}" for key in keys) or "all runs" for _, row in firsts.iterrows()]
        # Keys that follow from a choice are not among those that tell groups apart, and may yet differ.
        return {
            name if names.count(name) == 1 else f"{name} ({self.names[group[0]]})": group
            for name, group in zip(names, groups.values(), strict=True)
        }

    @cached_property
    def whole(self) -> list[MetricColumn]:
        """Columns of metrics that are not parts of others, as fid_half and class_fid_0 are."""
        names = {column.spec.name for column in self.columns}
        return [column for column in self.columns if column.spec.part_of not in names]

    def main_columns(self, most: int) -> list[MetricColumn]:
        """Return the columns of the first metrics; of further protocols, those that alone have some run's value."""
        names = list(dict.fromkeys(column.spec.name for column in self.whole))[:most]
        firsts = {column.key: column for column in self.whole if column.number == 1}
        return [
            column
            for column in self.whole
            if column.spec.name in names
            and (column.number == 1 or any(column in own and firsts[column.key] not in own for own in self.values))
        ]


def compare(runs: Sequence[Run]) -> Comparison:
    """Put runs into a table; those that cannot be read stay outside it."""
    readable = [run for run in runs if run.state != "unreadable"]
    measured = [run.measured() for run in readable]
    columns = _columns(measured)
    best = _ranking_key(readable, measured)
    columns.sort(key=lambda column: (column.key != best, column.number > 1 and column.key == best))
    by_id = {(column.key, column.protocol_hash): column for column in columns}
    values = [{by_id[place]: value for place, value in own.items()} for own in measured]
    pairs = list(zip(readable, values, strict=True))
    if columns:
        pairs.sort(key=lambda pair: columns[0].sort_key(pair[1].get(columns[0])))
    unread = [run for run in runs if run.state == "unreadable"]
    return Comparison([run for run, _ in pairs], unread, columns, [own for _, own in pairs])


def identity(run: Run, data: bool = True) -> str:
    """Return what is equal for runs that are equal in everything but their seed, in labels and in paths.

    Args:
        run: the run.
        data: include the images themselves, not only what the config states about them.
    """
    config = {key: value for key, value in run.flat_config.items() if not within(key, NOT_THE_EXPERIMENT)}
    return json.dumps([config, _images(run) if data else None], sort_keys=True, default=str)


def distinguishing_keys(settings: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return the first few keys that distinguish as many runs as all of them do."""
    chosen: list[str] = []

    def distinguished(by: Sequence[str]) -> int:
        return len(settings[list(by)].drop_duplicates()) if by else 1

    for key in keys:
        if distinguished(chosen) < distinguished([*chosen, key]):
            chosen.append(key)
        if distinguished(chosen) == distinguished(keys):
            break
    return chosen


def _columns(measured: Sequence[Mapping[tuple[str, str], MetricValue]]) -> list[MetricColumn]:
    """Return a column for each key and protocol, metrics in their own order, the commonest protocol first."""
    by_key: dict[str, dict[str, list[MetricValue]]] = {}
    for own in measured:
        for (key, protocol), value in own.items():
            by_key.setdefault(key, {}).setdefault(protocol, []).append(value)
    columns = [
        MetricColumn(key, protocol, number, values)
        for key, by_protocol in by_key.items()
        for number, (protocol, values) in enumerate(sorted(by_protocol.items(), key=lambda item: -len(item[1])), 1)
    ]
    order = list(dict.fromkeys(column.spec.name for column in columns))
    return sorted(columns, key=lambda column: order.index(column.spec.name))


def _ranking_key(runs: Sequence[Run], measured: Sequence[Mapping[tuple[str, str], MetricValue]]) -> str | None:
    """Return the key of the metric by which most runs keep their best checkpoint."""
    votes: Counter[str] = Counter()
    for run, own in zip(runs, measured, strict=True):
        metric = run.flat_config.get("evaluation.best")
        votes.update([key for key, _ in own if key.startswith(f"{metric}/")][:1])
    return next((key for key, _ in votes.most_common(1)), None)


def _images(run: Run) -> Any:
    """Return the fingerprint of the data set before the regime, which may choose images by the seed."""
    data = run.manifest.data
    return data.get("source_fingerprint", data.get("fingerprint") if run.choices.get("regime") == "none" else None)


@dataclass(frozen=True)
class GroupTable:
    """All groups by one column, best first, and the pairs of the best of them."""

    column: MetricColumn
    groups: list[dict[str, Any]]  # name, runs (directories), values (by seed), mean, half_width_95, seeds, note
    tests: list[dict[str, Any]]  # groups (two names), difference (of means), p, p_holm (adjusted), significant (at 5%)
    testable: int  # groups with two seeds or more; of these the best MOST_TESTED are tested


def compare_groups(comparison: Comparison, column: MetricColumn) -> GroupTable:
    """Return each group's mean by a column, and the tests of all pairs of the first groups with at least two seeds."""
    summaries = [_group_summary(comparison, name, group, column) for name, group in comparison.groups.items()]
    groups = sorted(filter(None, summaries), key=lambda group: group["mean"], reverse=column.spec.higher_is_better)
    several = [group for group in groups if group["seeds"] > 1]
    names = [group["name"] for group in several]
    tests = [
        {"groups": [names[test.first], names[test.second]], "difference": test.difference, "p": test.p,
         "p_holm": test.adjusted, "significant": test.significant}
        for test in differences([group["values"] for group in several[:MOST_TESTED]])
    ]  # fmt: skip
    return GroupTable(column, groups, tests, len(several))


def _group_summary(comparison: Comparison, name: str, group: list[int], column: MetricColumn) -> dict[str, Any] | None:
    """Summarise the runs of a group that are finished and have a value, each seed once: the newest run of it."""
    by_seed: dict[str, int] = {}
    for at in sorted(group, key=lambda at: str(comparison.runs[at].manifest.started)):
        if comparison.runs[at].state == "finished" and comparison.number(at, column) is not None:
            by_seed[str(comparison.runs[at].config.get("seed"))] = at
    measured = [comparison.values[at][column] for at in sorted(by_seed.values())]
    values = [value.value for value in measured if value.value is not None]
    if not values:
        return None
    notes = []
    if len(values) < len(group):
        notes.append(f"{len(values)} of {len(group)} runs: finished, measured, each seed once")
    kimgs = [value.kimg for value in measured if value.kimg is not None]
    if kimgs and max(kimgs) > 1.01 * min(kimgs):
        notes.append(f"measured at {min(kimgs):,.0f} to {max(kimgs):,.0f} kimg")
    mean = estimate(values)
    directories = [str(comparison.runs[at].directory) for at in group]
    return {
        "name": name, "runs": directories, "values": values, "mean": mean.mean, "half_width_95": mean.half,
        "seeds": mean.count, "note": "; ".join(notes),
    }  # fmt: skip


def as_csv(comparison: Comparison) -> str:
    """Return a line for each run with all values and the bounds of their intervals, then the unreadable ones."""
    numbers: dict[str, list[float | None]] = {}
    for column in comparison.columns:
        values = [own.get(column) for own in comparison.values]
        numbers[column.heading] = [value.value if value else None for value in values]
        for end, bound in enumerate(("low", "high")):
            ends = [value.interval[end] if value and value.interval else None for value in values]
            numbers[f"{column.heading} {bound}"] = ends
    about = pd.DataFrame([_about(comparison, at) for at in range(len(comparison.runs))]).astype({"rank": "Int64"})
    table = pd.concat([about, comparison.settings, pd.DataFrame(numbers, dtype=float)], axis=1)
    unread = pd.DataFrame([["", run.name, run.directory, run.state, run.problem] for run in comparison.unread])
    return f"{table.to_csv(index=False)}{unread.to_csv(index=False, header=False)}"


def to_json(comparison: Comparison, files: Sequence[Path]) -> dict[str, Any]:
    """Return the table as JSON can hold it, with the groups by the ranking metric and the files that were written."""
    best = comparison.best
    groups = compare_groups(comparison, best) if best else None
    runs = [
        {
            **_about(comparison, at),
            "settings": dict(comparison.settings.loc[at]),
            "values": [
                {"key": value.key, **value.to_json(), "protocol": column.protocol_hash}
                for column, value in comparison.values[at].items()
            ],
        }
        for at in range(len(comparison.runs))
    ]
    ranking = best and {"key": best.key, "protocol": best.protocol_hash, "higher_is_better": best.spec.higher_is_better}
    return {
        "best": ranking,
        "keys": comparison.keys,
        "runs": runs,
        "groups": groups.groups if groups else [],
        "tests": groups.tests if groups else [],
        "protocols": {column.protocol_hash: dict(column.protocol) for column in comparison.columns},
        "unread": {str(run.directory): run.problem for run in comparison.unread},
        "written": [str(file) for file in files],
    }


def _about(comparison: Comparison, position: int) -> dict[str, Any]:
    run = comparison.runs[position]
    return {
        "rank": comparison.ranks[position], "run": comparison.names[position], "directory": str(run.directory),
        "state": run.state, "problem": "; ".join(run.problems), "kimg": run.reached.get("kimg"),
    }  # fmt: skip
