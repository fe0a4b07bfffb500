"""The table of a comparison for other programs: CSV and JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gan_experiments.reports.groups import compare_groups
from gan_experiments.reports.table import Comparison

CSV_BEGINS = "rank,run,directory,state,"


def as_csv(comparison: Comparison) -> str:
    """Return a line for each run with all values and the bounds of their intervals, then the unreadable ones."""
    numbers: dict[str, list[float | None]] = {}
    for column in comparison.columns:
        values = [own.get(column) for own in comparison.values]
        numbers[column.heading] = [value.value if value else None for value in values]
        numbers[f"{column.heading} low"] = [value.interval[0] if value and value.interval else None for value in values]
        numbers[f"{column.heading} high"] = [
            value.interval[1] if value and value.interval else None for value in values
        ]
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
