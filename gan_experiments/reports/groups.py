"""Runs that are equal in everything but their seed: what they say together, and whether they differ from others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gan_experiments.reports.statistics import Difference, Estimate, differences, estimate
from gan_experiments.reports.table import Column, Row, Table, identity

MOST_TESTED = 12
"""Groups of which all pairs are tested: 66 pairs, to be read by people."""


@dataclass(eq=False)
class Group:
    """Runs that are equal in everything but their seed."""

    name: str  # no other group's
    rows: list[Row] = field(default_factory=list)

    def counted(self, column: Column) -> list[Row]:
        """Return the runs that a mean is taken over: finished, with a value, each seed once, the newest run of it."""
        found: dict[str, Row] = {}
        for row in sorted(self.rows, key=lambda row: str(row.record.manifest.started)):
            if row.record.state == "finished" and row.value(column) is not None:
                found[str(row.record.config.get("seed"))] = row
        return list(found.values())


@dataclass(frozen=True)
class Summary:
    """What a group says of one column."""

    group: Group
    values: list[float]  # by seed
    mean: Estimate
    note: str  # what the reader has to know; mostly nothing


@dataclass(frozen=True)
class Verdict:
    """One pair of groups, tested."""

    first: Group
    second: Group
    test: Difference


@dataclass(frozen=True)
class GroupTable:
    """All groups by one column, best first, and the pairs of the best of them."""

    column: Column
    summaries: list[Summary]
    verdicts: list[Verdict]
    tested: int  # groups whose pairs were to be tested
    untested: int  # further groups with two seeds or more


def group_rows(table: Table) -> list[Group]:
    """Join the rows that differ in their seed alone, in the order of the rows."""
    found: dict[str, list[Row]] = {}
    for row in table.rows:
        found.setdefault(identity(row.record), []).append(row)
    firsts = [rows[0] for rows in found.values()]
    keys = telling([row.settings for row in firsts], [key for key in table.keys if key != "seed"])
    names = [", ".join(f"{key}={row.settings[key]}" for key in keys) or "all runs" for row in firsts]
    # Keys that follow from a choice are not among those that tell, and may yet differ from what it stands for.
    unique = [
        name if names.count(name) == 1 else f"{name} ({row.name})" for name, row in zip(names, firsts, strict=True)
    ]
    return [Group(name, rows) for name, rows in zip(unique, found.values(), strict=True)]


def telling(settings: Sequence[dict[str, str]], keys: Sequence[str]) -> list[str]:
    """Return the first few keys that tell as many things apart as all of them do."""
    chosen: list[str] = []

    def apart(of: Sequence[str]) -> int:
        return len({tuple(setting[key] for key in of) for setting in settings})

    for key in keys:
        if apart(chosen) == apart(keys):
            break
        if apart([*chosen, key]) > apart(chosen):
            chosen.append(key)
    return chosen


def compare_groups(groups: Sequence[Group], column: Column) -> GroupTable:
    """Return each group's mean by a column, and the tests of all pairs of the first groups with at least two seeds."""
    summaries = [summary for group in groups if (summary := _summarize(group, column)) is not None]
    summaries.sort(key=lambda summary: column.badness(summary.mean.mean))
    several = [summary for summary in summaries if summary.mean.count > 1]
    tested = several[:MOST_TESTED]
    verdicts = [
        Verdict(tested[test.first].group, tested[test.second].group, test)
        for test in differences([summary.values for summary in tested])
    ]
    return GroupTable(column, summaries, verdicts, len(tested), len(several) - len(tested))


def _summarize(group: Group, column: Column) -> Summary | None:
    counted = group.counted(column)
    values = [value for row in counted if (value := row.value(column)) is not None]
    if not values:
        return None
    notes = []
    if len(counted) < len(group.rows):
        notes.append(f"{len(counted)} of {len(group.rows)} runs: finished, measured, each seed once")
    places = [kimg for row in counted if (kimg := row.values[column].kimg) is not None]
    if places and max(places) > 1.01 * min(places):
        notes.append(f"measured at {min(places):,.0f} to {max(places):,.0f} kimg")
    return Summary(group, values, estimate(values), "; ".join(notes))
