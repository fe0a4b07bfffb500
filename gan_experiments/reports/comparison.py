"""The comparison page: many runs in one file, with the same table as CSV and as Markdown beside it."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_experiments.config.keys import LABELS, PLACES, WATCHING, flat, within
from gan_experiments.formatting import encodable, short, show
from gan_experiments.reports import charts
from gan_experiments.reports import images as grids
from gan_experiments.reports.groups import Group, compare_groups, group_rows, telling
from gan_experiments.reports.html import check_place, files, render, write_text
from gan_experiments.reports.table import Column, Row, Table, tabulate
from gan_experiments.reports.table_export import CSV_BEGINS, MARKDOWN_BEGINS, as_csv, as_markdown
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue, UserError

HTML_BEGINS = "<!doctype html>\n<!-- comparison of gan-experiments -->"
BESIDE = (".csv", ".md")
SHOWN_KEYS = 6
SHOWN_METRICS = 5
CHECKED = 12  # runs whose curves and grids are shown at first
CURVE_POINTS = 600_000  # in a page
CURVE_LENGTHS = (200, 150, 100, 70, 50, 30, 20)
CELLS = 12_000  # in a page; further metrics are in the CSV alone
LONGEST_LABEL = 64


def write_comparison(records: Sequence[Run], target: Path, title: str) -> None:
    """Write `target` (.html), and the table as .csv and .md beside it.

    Raises:
        UserError: no run can be read, or a file is in the way that is no comparison.
        OSError: the directory cannot be written.
    """
    write_table(tabulate(records), target, title)


def write_table(table: Table, target: Path, title: str) -> None:
    """Write a table as `write_comparison` does; raises the same."""
    if not table.rows:
        reasons = "; ".join(f"{record.directory}: {record.problem}" for record in table.unread[:3]) or "none was given"
        raise UserError(f"there is no run to compare ({reasons}). Give run directories, or a sweep's.")
    html, spreadsheet, markdown = files(target, BESIDE)
    for path, beginning in ((html, HTML_BEGINS), (spreadsheet, CSV_BEGINS), (markdown, MARKDOWN_BEGINS)):
        check_place(path, beginning, "comparison")
    write_text(html, render("comparison.html", title=encodable(title), **contexts(table)))
    write_text(spreadsheet, as_csv(table))
    write_text(markdown, as_markdown(table, title))


def contexts(table: Table) -> dict[str, Any]:
    """Return all that the page shows."""
    whole = [column for column in table.columns if column not in table.parts]
    held = table.columns if len(table.columns) * len(table.rows) <= CELLS else whole
    groups = group_rows(table)
    shown = grids.gather([row.record for row in table.rows])
    curves = _curves(table.rows)
    keys = list(dict.fromkeys([*telling([row.settings for row in table.rows], table.keys), *table.keys]))[:SHOWN_KEYS]
    columns = [*(key for key in table.keys if key in keys), *table.main_columns(SHOWN_METRICS)]
    problems = [(record, record.problems) for record in table.records if record.problems]
    unseen = [(table.rows[position].record, told) for position, told in shown.problems.items()]
    return {
        "table": table,
        "short": short,
        "states": Counter(row.record.state for row in table.rows).most_common(),
        "checked": CHECKED,
        "metrics": held,
        "columns": [*table.keys, *held],
        "shown_columns": columns,
        "runs": _runs(table, groups),
        "curves": curves,
        "scalars": _scalars(curves, table.best),
        "grids": shown,
        "group_tables": [compare_groups(groups, column) for column in held] if _joined(groups) else [],
        "groups": groups,
        "settings": _settings(table.rows),
        "parallel": _parallel(table),
        "problems": [*problems, *unseen],
        "protocols": table.protocols(),
        "shown_protocols": [
            (names, differing)
            for others, differing in table.protocols()
            if (names := [column.heading for column in others if column in columns])
        ],
        "facts": {column: {key: show(value) for key, value in flat(column.facts).items()} for column in held},
    }


def _joined(groups: Sequence[Group]) -> bool:
    return any(len(group.rows) > 1 for group in groups)


def _runs(table: Table, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return each run's name, and the look of its curves: a colour for each group, a dash for each run in it."""
    labels = _labels(table)
    told = _curve_protocols(table)
    found = []
    for row, label in zip(table.rows, labels, strict=True):
        number, group = next((number, group) for number, group in enumerate(groups) if row in group.rows)
        dash = group.rows.index(row) + number // len(charts.PALETTE)
        look = {"colour": charts.PALETTE[number % len(charts.PALETTE)], "dash": charts.DASHES[dash % 4]}
        found.append({"name": label, "title": row.name, **look, "protocols": told.get(row.name, {})})
    return found


def _labels(table: Table) -> list[str]:
    """Name runs by what tells them apart where that is short and they have no names of their own, else by name."""
    keys = sorted(telling([row.settings for row in table.rows], table.keys), key=lambda key: key == "seed")
    briefly = dict(zip(keys, charts.brief(keys, "."), strict=True))
    found = [
        row.name
        if row.record.config.get("name")
        else ", ".join(f"{word}={row.settings[key]}" for key, word in briefly.items())
        for row in table.rows
    ]
    good = len(set(found)) == len(found) and all(0 < len(label) <= LONGEST_LABEL for label in found)
    return found if good else [row.name for row in table.rows]


def _curve_protocols(table: Table) -> dict[str, dict[str, str]]:
    """Say by which protocol each run's curves were measured, for keys where they are not all the same."""
    used: dict[str, dict[str, str]] = {}
    for row in table.rows:
        for key, entry in row.record.evaluation.values.items():
            try:
                used.setdefault(key, {})[row.name] = MetricValue.from_json(key, entry).protocol_hash
            except (TypeError, KeyError, ValueError, AttributeError):
                continue
    numbers = {(column.key, column.protocol): column.number for column in table.columns}
    told: dict[str, dict[str, str]] = {row.name: {} for row in table.rows}
    for key, protocols in used.items():
        if len(set(protocols.values())) > 1:
            for name, texts in told.items():
                number = numbers.get((key, protocols.get(name, "")))
                texts[key] = f"protocol {number}" if number else "protocol not yet told"
    return told


def _curves(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return all curves of all runs, thinned so that a page can hold them."""
    lengths = [count for row in rows for count in Counter(itertools.chain(*row.record.rows)).values()]
    fitting = (limit for limit in CURVE_LENGTHS if sum(min(length, limit) for length in lengths) <= CURVE_POINTS)
    limit = next(fitting, CURVE_LENGTHS[-1])
    return [charts.curves(row.record.rows, limit) for row in rows]


def _scalars(curves: Sequence[dict[str, Any]], best: Column | None) -> list[str]:
    """Return the names of all curves, first the one to begin with: the ranking metric where it is more than a point."""
    found = list(dict.fromkeys(name for curve in curves for name in curve["scalars"]))
    drawn = best is not None and any(len(curve["scalars"].get(best.key, (0, []))[1]) > 1 for curve in curves)
    first = best.key if best is not None and drawn else "generator/loss"
    return sorted(found, key=lambda name: name != first)


def _settings(rows: Sequence[Row]) -> dict[str, Any]:
    """Return every key whose value differs anywhere: its options, and each run's position among them."""
    every = [
        {key: show(value) for key, value in (flat(row.record.config) | _made_with(row.record)).items()} for row in rows
    ]
    found: dict[str, Any] = {"keys": [], "options": [], "of": []}
    for key in dict.fromkeys(key for settings in every for key in settings):
        values = [settings.get(key, "–") for settings in every]
        options = list(dict.fromkeys(values))
        if len(options) > 1 and not within(key, (*PLACES, *LABELS, *WATCHING)):
            places = {option: place for place, option in enumerate(options)}
            found["keys"].append(key)
            found["options"].append(options)
            found["of"].append([places[value] for value in values])
    return found


def _made_with(record: Run) -> dict[str, Any]:
    """Return what the config does not say: the code, the libraries, the images, the machine."""
    parts = record.manifest.model_dump(include={"git", "user_git", "versions", "data", "parameters"})
    device = next((session.device for session in reversed(record.manifest.sessions)), None)
    return flat({name: part for name, part in parts.items() if part} | {"device": device})


def _parallel(table: Table) -> dict[str, Any] | None:
    """Draw settings beside values, for three runs or more that differ in something and were all measured."""
    rows = [row for row in table.rows if row.rank is not None]
    differing = [key for key in table.keys if len({row.settings[key] for row in rows}) > 1]
    keys = [key for key in differing if key != "seed"][:8] or differing
    if table.best is None or not keys or len(rows) < 3:
        return None
    metrics = [column for column in table.main_columns(3) if all(row.value(column) is not None for row in rows)]
    metrics = [*(column for column in metrics if column is not table.best), table.best]
    labels = charts.brief(keys, ".")
    settings = [
        charts.Dimension(label, [row.raw(key) for row in rows]) for key, label in zip(keys, labels, strict=True)
    ]
    names = [column.name for column in metrics]
    values = [
        charts.Dimension(
            f"{column.name if names.count(column.name) == 1 else column.heading} {column.arrow}",
            [row.value(column) for row in rows],
        )
        for column in metrics
    ]
    return charts.parallel_coordinates([*settings, *values], table.best.higher_is_better)
