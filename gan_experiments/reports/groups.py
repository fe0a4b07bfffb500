"""Groups of runs that are equal in everything but their seed: means, and tests of whether they differ."""

from dataclasses import dataclass
from typing import Any

from gan_experiments.reports.statistics import differences, estimate
from gan_experiments.reports.table import Comparison, MetricColumn

MOST_TESTED = 12
"""Groups of which all pairs are tested: 66 pairs, to be read by people."""


@dataclass(frozen=True)
class GroupTable:
    """All groups by one column, best first, and the pairs of the best of them."""

    column: MetricColumn
    groups: list[dict[str, Any]]  # name, runs (directories), values (by seed), mean, half_width_95, seeds, note
    tests: list[
        dict[str, Any]
    ]  # groups (two names), difference (of means), p, p_holm (over all pairs), significant (at 5%)
    testable: int  # groups with two seeds or more; of these the best MOST_TESTED are tested


def compare_groups(comparison: Comparison, column: MetricColumn) -> GroupTable:
    """Return each group's mean by a column, and the tests of all pairs of the first groups with at least two seeds."""
    summaries = [_summary(comparison, name, group, column) for name, group in comparison.groups.items()]
    groups = sorted(filter(None, summaries), key=lambda group: group["mean"], reverse=column.spec.higher_is_better)
    several = [group for group in groups if group["seeds"] > 1]
    names = [group["name"] for group in several]
    tests = [
        {"groups": [names[test.first], names[test.second]], "difference": test.difference, "p": test.p,
         "p_holm": test.adjusted, "significant": test.significant}
        for test in differences([group["values"] for group in several[:MOST_TESTED]])
    ]  # fmt: skip
    return GroupTable(column, groups, tests, len(several))


def _summary(comparison: Comparison, name: str, group: list[int], column: MetricColumn) -> dict[str, Any] | None:
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
