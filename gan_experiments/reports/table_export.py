"""The table of a comparison for other programs: CSV, Markdown, JSON."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_experiments.formatting import Written, encodable, escape, plus_minus, with_interval
from gan_experiments.formatting import table as markdown_table
from gan_experiments.reports.groups import compare_groups, group_rows
from gan_experiments.reports.table import Column, Row, Table

CSV_BEGINS = "rank,run,directory,state,"
MARKDOWN_BEGINS = "<!-- comparison of gan-experiments -->"
MARKDOWN_METRICS = 6


def as_csv(table: Table) -> str:
    """Write a line for each run, with all values and the bounds of their intervals, then the unreadable directories."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    bounds = [word for column in table.columns for word in ("", " low", " high") for word in [column.heading + word]]
    writer.writerow(["rank", "run", "directory", "state", "problem", "kimg", *table.keys, *bounds])
    for row in table.rows:
        numbers: list[float | None] = []
        for column in table.columns:
            value = row.values.get(column)
            numbers += [value.value, *(value.interval or (None, None))] if value else [None] * 3
        writer.writerow([row.rank, *_about(row), row.kimg, *row.settings.values(), *numbers])
    for record in table.unread:
        writer.writerow(
            ["", encodable(record.name), encodable(str(record.directory)), record.state, encodable(record.problem)]
        )
    return buffer.getvalue()


def as_markdown(table: Table, title: str) -> str:
    """Write the main columns, the groups by the best metric, and what differs between protocols."""
    return "\n".join([MARKDOWN_BEGINS, f"# {escape(title)}", "", *markdown_lines(table)]) + "\n"


def markdown_lines(table: Table) -> list[str]:
    """Return what `as_markdown` writes below its title."""
    columns = table.main_columns(MARKDOWN_METRICS)
    lines: list[str] = []
    heads = [f"{column.heading} {column.arrow}" for column in columns]
    rows = [
        [
            row.rank or "",
            row.name,
            row.record.state,
            *row.settings.values(),
            *(_marked(row, column, table) for column in columns),
        ]
        for row in table.rows
    ]
    lines += markdown_table(["", "run", "state", *table.keys, *heads], rows)
    lines += ["± is the half-width of the 95% interval over sampling seeds of one run. Bold: the best of a column."]
    groups = group_rows(table)
    if table.best is not None and any(len(group.rows) > 1 for group in groups):
        found = compare_groups(groups, table.best)
        lines += ["", f"## Seeds joined: {escape(found.column.heading)} {found.column.arrow}", ""]
        means = [
            [summary.group.name, summary.mean.count, plus_minus(summary.mean.mean, summary.mean.half)]
            for summary in found.summaries
        ]
        lines += markdown_table(["runs equal but for the seed", "seeds", "mean ± 95%"], means)
        lines += ["Mean ± half-width of the 95% interval over seeds of training, by Student's t."]
    for others, facts in table.protocols():
        told = "; ".join(f"{key}: {own}, not {first}" for key, (first, own) in facts.items())
        heads = [column.heading for column in others]
        lines += [
            "",
            f"Of another protocol than the columns without a number, {escape(', '.join(heads))}: {escape(told)}.",
        ]
    if table.unread:
        lines += ["", "Not read:", ""]
        lines += [f"- {escape(str(record.directory))}: {escape(record.problem)}" for record in table.unread]
    return lines


def to_json(table: Table, files: Sequence[Path]) -> dict[str, Any]:
    """Return the table as JSON can hold it, with the groups by the best metric and the files that were written."""
    best = table.best
    found = compare_groups(group_rows(table), best) if best else None
    return {
        "best": best and {"key": best.key, "protocol": best.protocol, "higher_is_better": best.higher_is_better},
        "keys": table.keys,
        "runs": [_run(row) for row in table.rows],
        "groups": [
            {
                "name": summary.group.name,
                "runs": [encodable(str(row.record.directory)) for row in summary.group.rows],
                "mean": summary.mean.mean,
                "half_width_95": summary.mean.half,
                "seeds": summary.mean.count,
                "note": summary.note,
            }
            for summary in (found.summaries if found else [])
        ],
        "tests": [
            {
                "groups": [verdict.first.name, verdict.second.name],
                "difference": verdict.test.difference,
                "p": verdict.test.p,
                "p_holm": verdict.test.adjusted,
            }
            for verdict in (found.verdicts if found else [])
        ],
        "protocols": {column.protocol: column.facts for column in table.columns},
        "unread": {encodable(str(record.directory)): encodable(record.problem) for record in table.unread},
        "written": [str(file) for file in files],
    }


def _run(row: Row) -> dict[str, Any]:
    values = [
        {
            "key": column.key,
            "protocol": column.protocol,
            "value": value.value,
            "interval_95": value.interval,
            "kimg": value.kimg,
            "higher_is_better": column.higher_is_better,
        }
        for column, value in row.values.items()
    ]
    name, directory, state, problem = _about(row)
    about = {"rank": row.rank, "name": name, "directory": directory, "state": state, "problem": problem}
    return {**about, "kimg": row.kimg, "settings": row.settings, "values": values}


def _about(row: Row) -> tuple[str, str, str, str]:
    problem = "; ".join(row.record.problems)
    return row.name, encodable(str(row.record.directory)), row.record.state, encodable(problem)


def _marked(row: Row, column: Column, table: Table) -> str:
    value = row.values.get(column)
    text = with_interval(value)
    is_best = value is not None and value.value is not None and value.value == table.bests[column]
    return Written(f"**{escape(text)}**") if is_best else text
