"""The tables of several runs: what they are, what was measured, means over seeds, and protocols."""

from collections.abc import Sequence
from typing import Any

from gan_experiments.config.keys import differing_facts, flat, short_keys
from gan_experiments.formatting import short, show
from gan_experiments.reports import charts
from gan_experiments.reports.blocks import Block, Cell, Choice, Details, Section, Table, Text, Widget
from gan_experiments.reports.sections.metrics import protocol_blocks, value_cell
from gan_experiments.reports.table import (
    MOST_TESTED,
    Comparison,
    GroupTable,
    MetricColumn,
    compare_groups,
    distinguishing_keys,
)
from gan_experiments.types import protocol_hash

SHOWN_KEYS = 6
SHOWN_METRICS = 5
CHECKED = 12  # runs whose curves and grids are shown at first
CELLS = 12_000  # in a page; further metrics are in the CSV alone
LONGEST_LABEL = 64
LEGEND = (
    "A heading sorts. The checked runs are those of the curves, samples and settings below. Values are the newest of "
    "each run, those of its best checkpoint may be better; ± is the half-width of the 95% interval over sampling seeds "
    "of one run; green (in Markdown, bold) is the best of a column."
)
PROTOCOL_COLUMNS = [("metric", "sort"), ("floor", "number"), ("ceiling", "number"), ("protocol", "code")]
PROTOCOL_LEGEND = (
    "↓ lower is better, ↑ higher. Floor: held-out real images as samples. Ceiling: noise. A key measured by several "
    "protocols has a column for each."
)
MOST_GROUPS = 40
MOST_SEED_VALUES = 10
SEEDS_LEGEND = (
    "Runs that are equal in everything but their seed are one group: its mean, ± half the 95% interval over seeds of "
    "training by Student's t. Only finished runs count, each seed once."
)
TEST_COLUMNS = [
    ("group", "wrap sort"), ("against", "wrap sort"), ("difference of means", "number sort"), ("p", "number sort"),
    ("p (Holm)", "number sort"), ("differ at 5%", "sort"),
]  # fmt: skip


def runs(comparison: Comparison) -> Section:
    """Return the table of all runs, with columns to hide and rows to filter."""
    shown = comparison.main_columns(SHOWN_METRICS)
    blocks: list[Block] = [Text(LEGEND, "soft"), Widget("runs", lambda: _data(comparison), [table(comparison)])]
    if rest := len(comparison.columns) - len(metrics_shown(comparison)):
        text = f"So many runs leave no room for {rest} metrics that are parts of others; the .csv has them."
        blocks.append(Text(text, "soft"))
    for columns, differing in differences_of_protocols(comparison):
        if names := [column.heading for column in columns if column in shown]:
            facts = "; ".join(f"{fact} is {own}, not {first}" for fact, (first, own) in differing.items())
            label = f"Measured otherwise than the column without a number: {', '.join(names)}."
            blocks.append(Text(f"{facts}.", "note", label=label))
    return Section("runs-section", "Runs", blocks)


def table(comparison: Comparison, most: int | None = None) -> Table:
    """Return the first runs with their settings and main metrics."""
    metrics = comparison.main_columns(SHOWN_METRICS)
    return Table([("run", "wrap"), *_columns(comparison, metrics)], _rows(comparison, metrics, comparison.names)[:most])


def metrics_shown(comparison: Comparison) -> list[MetricColumn]:
    """Return the columns that a page has room for."""
    return comparison.columns if len(comparison.columns) * len(comparison.runs) <= CELLS else comparison.whole


def _columns(comparison: Comparison, metrics: Sequence[MetricColumn]) -> list[tuple[str, str]]:
    columns = [("#", "number"), ("state", "state"), ("kimg", "number page")]
    columns += [(key, "setting") for key in comparison.keys]
    for metric in metrics:
        name, _, extractor = metric.heading.partition("/")
        style = " descending" * metric.spec.higher_is_better + " page" * (metric is not comparison.best)
        columns.append((f"{name}/\n{extractor} {metric.arrow}", f"number{style}"))
    return columns


def _rows(comparison: Comparison, metrics: Sequence[MetricColumn], names: Sequence[str] = ()) -> list[list[object]]:
    """Return the cells of each run, below the headings of `_columns`; names stand first."""
    bests = {metric: min(map(metric.sort_key, metric.values)) for metric in metrics}
    rows = []
    for at, (run, own) in enumerate(zip(comparison.runs, comparison.values, strict=True)):
        kimg = run.reached.get("kimg")
        cells = [
            value_cell(own.get(metric), best=metric in own and metric.sort_key(own[metric]) == bests[metric])
            for metric in metrics
        ]
        about = [*names[at : at + 1], comparison.ranks[at] or "", run.state, Cell(short(kimg), kimg)]
        rows.append([*about, *comparison.settings.loc[at], *cells])
    return rows


def _data(comparison: Comparison) -> dict[str, Any]:
    metrics = metrics_shown(comparison)
    first = distinguishing_keys(comparison.settings, comparison.keys)
    keys = list(dict.fromkeys([*first, *comparison.keys]))[:SHOWN_KEYS]
    shown = {*keys, *(metric.heading for metric in comparison.main_columns(SHOWN_METRICS))}
    headings = enumerate([*comparison.keys, *(metric.heading for metric in metrics)], 6)
    choices = [{"position": at, "heading": heading, "shown": heading in shown} for at, heading in headings]
    words = [
        " ".join([name, run.state, *(f"{key}={value}" for key, value in comparison.settings.loc[at].items())])
        for at, (run, name) in enumerate(zip(comparison.runs, comparison.names, strict=True))
    ]
    return {
        "columns": _columns(comparison, metrics), "rows": _rows(comparison, metrics), "words": words,
        "runs": _runs(comparison), "checked": CHECKED, "choices": choices,
    }  # fmt: skip


def _runs(comparison: Comparison) -> list[dict[str, Any]]:
    """Return what the page's scripts know of each run: its name, the colour of its group, its own dash."""
    runs: list[dict[str, Any]] = [
        {"name": label, "title": name, "protocols": protocols}
        for label, name, protocols in zip(
            _labels(comparison), comparison.names, _curve_protocols(comparison), strict=True
        )
    ]
    for number, group in enumerate(comparison.groups.values()):
        cycle, colour = divmod(number, len(charts.PALETTE))
        for place, at in enumerate(group):
            dash = charts.DASHES[(place + cycle) % len(charts.DASHES)]
            runs[at] |= {"colour": charts.PALETTE[colour], "dash": dash}
    return runs


def _labels(comparison: Comparison) -> list[str]:
    """Name runs by the settings that distinguish them where that is short and they have no names of their own."""
    keys = distinguishing_keys(comparison.settings, comparison.keys)
    briefly = dict(zip(keys, short_keys(keys), strict=True))
    settings = comparison.settings[sorted(keys, key=lambda key: key == "seed")].to_dict("records")
    labels = [
        name if run.config.get("name") else ", ".join(f"{briefly[key]}={value}" for key, value in own.items())
        for run, name, own in zip(comparison.runs, comparison.names, settings, strict=True)
    ]
    good = len(set(labels)) == len(labels) and all(0 < len(label) <= LONGEST_LABEL for label in labels)
    return labels if good else comparison.names


def _curve_protocols(comparison: Comparison) -> list[dict[str, str]]:
    """Return the protocol of each run's curves, for keys where they are not all the same."""
    used = [
        {key: protocol_hash(entry["protocol"]) for key, entry in run.evaluation.values.items() if "protocol" in entry}
        for run in comparison.runs
    ]
    numbers = {(column.key, column.protocol_hash): column.number for column in comparison.columns}
    texts: list[dict[str, str]] = [{} for _ in used]
    for key in dict.fromkeys(key for own in used for key in own):
        if len({own[key] for own in used if key in own}) > 1:
            for text, own in zip(texts, used, strict=True):
                number = numbers.get((key, own.get(key, "")))
                text[key] = f"protocol {number}" if number else "protocol unknown"
    return texts


def seeds(comparison: Comparison) -> Section | None:
    """Return the groups by each metric, where some group has several runs."""
    if comparison.best is None or all(len(group) == 1 for group in comparison.groups.values()):
        return None
    tables = [compare_groups(comparison, column) for column in metrics_shown(comparison)]
    options = [(f"{table.column.heading} {table.column.arrow}", _group_blocks(table)) for table in tables]
    return Section("groups", "Seeds joined", [Text(SEEDS_LEGEND, "soft"), Choice("metric", options)])


def _group_blocks(table: GroupTable) -> list[Block]:
    count = len(table.groups)
    if not count:
        return [Text("No finished run has a value.")]
    order = "number sort" + " descending" * table.column.spec.higher_is_better
    columns = [("group", "wrap sort"), ("seeds", "number sort"), (f"mean ± 95% {table.column.arrow}", order)]
    rows = []
    for at, group in enumerate(table.groups[:MOST_GROUPS]):
        mean = Cell(short(group["mean"]), group["mean"], short(group["half_width_95"], 2), best=at == 0)
        rows.append([group["name"], group["seeds"], mean, _values(group["values"]), group["note"]])
    blocks: list[Block] = [Table([*columns, ("values", "wrap"), ("note", "wrap")], rows)]
    if count > MOST_GROUPS:
        blocks.append(Text(f"The best {MOST_GROUPS} of {count} groups.", "soft"))
    return [*blocks, *_tests(table)]


def _values(values: list[float]) -> str:
    if len(values) > MOST_SEED_VALUES:
        return f"{short(min(values))} to {short(max(values))}"
    return ", ".join(map(short, values))


def _tests(table: GroupTable) -> list[Block]:
    if not table.tests:
        text = "No two groups can be tested: Welch's t test needs two finished seeds or more in each, and some spread."
        return [Text(text, "soft")]
    of = "all groups" if table.testable <= MOST_TESTED else f"the best {MOST_TESTED} of {table.testable} groups"
    differing = sum(test["significant"] for test in table.tests)
    text = (
        f"Pairs that differ at 5%: {differing} of {len(table.tests)} (two-sided Welch's t test, p adjusted by Holm for "
        f"these pairs; tested are {of} with two seeds or more)."
    )
    rows = []
    for test in table.tests:
        numbers = [Cell(short(test[name], 3), test[name]) for name in ("difference", "p", "p_holm")]
        rows.append([*test["groups"], *numbers, "yes" if test["significant"] else "not significant"])
    return [Text(text), Details("Do they differ?", [Table(TEST_COLUMNS, rows)], opened=True)]


def protocols(comparison: Comparison) -> Section | None:
    """Return each column's bounds and protocol."""
    if not comparison.columns:
        return None
    rows = []
    for column in comparison.columns:
        floor = next((value.floor for value in column.values if value.floor is not None), None)
        ceiling = next((value.ceiling for value in column.values if value.ceiling is not None), None)
        rows.append([f"{column.heading} {column.arrow}", short(floor), short(ceiling), column.protocol_hash])
    blocks: list[Block] = [Text(PROTOCOL_LEGEND, "soft"), Table(PROTOCOL_COLUMNS, rows, "tall")]
    blocks += protocol_blocks([(column.heading, column.protocol) for column in comparison.columns])
    return Section("metrics", "Metrics and protocols", blocks)


def differences_of_protocols(comparison: Comparison) -> list[tuple[list[MetricColumn], dict[str, tuple[str, str]]]]:
    """Return the columns that are not their key's first, with the facts that differ: the first's, and their own."""
    firsts = {column.key: flat(dict(column.protocol)) for column in comparison.columns if column.number == 1}
    differences: dict[str, tuple[list[MetricColumn], dict[str, tuple[str, str]]]] = {}
    for column in comparison.columns:
        if column.number > 1:
            differing = differing_facts(firsts[column.key], flat(dict(column.protocol)))
            facts = {key: (show(first), show(own)) for key, (first, own) in differing.items()}
            differences.setdefault(f"{column.number} {facts}", ([], facts))[0].append(column)
    return list(differences.values())
