"""The metrics of several runs, and how they were measured."""

from gan_experiments.config.keys import flat
from gan_experiments.formatting import short, show
from gan_experiments.reports.blocks import Block, Section, Table, Text
from gan_experiments.reports.sections.metrics import protocol_blocks
from gan_experiments.reports.table import Comparison, MetricColumn

COLUMNS = [("metric", "sort"), ("floor", "number"), ("ceiling", "number"), ("protocol", "code")]
LEGEND = (
    "↓ lower is better, ↑ higher. Floor: held-out real images as samples. Ceiling: noise. A key measured by several "
    "protocols has a column for each."
)


def section(comparison: Comparison) -> Section | None:
    """Return each column's bounds and protocol."""
    if not comparison.columns:
        return None
    rows = []
    for column in comparison.columns:
        floor = next((value.floor for value in column.values if value.floor is not None), None)
        ceiling = next((value.ceiling for value in column.values if value.ceiling is not None), None)
        rows.append([f"{column.heading} {column.arrow}", short(floor), short(ceiling), column.protocol_hash])
    blocks: list[Block] = [Text(LEGEND, "soft"), Table(COLUMNS, rows, "tall")]
    blocks += protocol_blocks([(column.heading, column.protocol) for column in comparison.columns])
    return Section("metrics", "Metrics and protocols", blocks)


def differences_of_protocols(comparison: Comparison) -> list[tuple[list[MetricColumn], dict[str, tuple[str, str]]]]:
    """Return the columns that are not their key's first, with the facts that differ: the first's, and their own."""
    firsts = {column.key: flat(dict(column.protocol)) for column in comparison.columns if column.number == 1}
    differences: dict[str, tuple[list[MetricColumn], dict[str, tuple[str, str]]]] = {}
    for column in comparison.columns:
        if column.number > 1:
            first, own = firsts[column.key], flat(dict(column.protocol))
            keys = [key for key in dict.fromkeys([*first, *own]) if first.get(key) != own.get(key)]
            facts = {key: (show(first.get(key)), show(own.get(key))) for key in keys}
            differences.setdefault(f"{column.number} {facts}", ([], facts))[0].append(column)
    return list(differences.values())
