"""Runs that differ in their seed alone: means over seeds, and tests between groups."""

from gan_experiments.formatting import short
from gan_experiments.reports.blocks import Block, Cell, Choice, Details, Section, Table, Text
from gan_experiments.reports.groups import MOST_TESTED, GroupTable, compare_groups
from gan_experiments.reports.sections.runs import metrics_shown
from gan_experiments.reports.table import Comparison

MOST_GROUPS = 40
MOST_VALUES = 10
LEGEND = (
    "Runs that are equal in everything but their seed are one group: its mean, ± half the 95% interval over seeds of "
    "training by Student's t. Only finished runs count, each seed once."
)
TEST_COLUMNS = [
    ("group", "wrap sort"), ("against", "wrap sort"), ("difference of means", "number sort"), ("p", "number sort"),
    ("p (Holm)", "number sort"), ("differ at 5%", "sort"),
]  # fmt: skip


def section(comparison: Comparison) -> Section | None:
    """Return the groups by each metric, where some group has several runs."""
    if comparison.best is None or all(len(group) == 1 for group in comparison.groups.values()):
        return None
    tables = [compare_groups(comparison, column) for column in metrics_shown(comparison)]
    options = [(f"{table.column.heading} {table.column.arrow}", _blocks(table)) for table in tables]
    return Section("groups", "Seeds joined", [Text(LEGEND, "soft"), Choice("metric", options)])


def _blocks(table: GroupTable) -> list[Block]:
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
    if len(values) > MOST_VALUES:
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
