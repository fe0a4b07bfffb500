"""The comparison page: many runs in one file, with the same table as CSV and as Markdown beside it."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from gan_experiments.reports.blocks import Block, Section, Text
from gan_experiments.reports.html import check_overwrite, files, write_text
from gan_experiments.reports.lab_report import check_readable, problems, write_pages
from gan_experiments.reports.sections import several_runs, tables
from gan_experiments.reports.table import CSV_BEGINS, Comparison, as_csv, compare
from gan_experiments.runs.run import Run

SECTIONS: tuple[Callable[[Comparison], Section | None], ...] = (
    tables.runs,
    tables.seeds,
    several_runs.run_curves,
    several_runs.run_samples,
    several_runs.run_settings,
    several_runs.parallel,
    tables.protocols,
    lambda comparison: problems([*comparison.runs, *comparison.unread]),
)
"""The sections of a comparison, in order."""
SEVERAL_SECTIONS = (several_runs.differing, *SECTIONS, several_runs.each_run)
"""The sections of the report of several runs."""


def write_comparison(runs: Sequence[Run], target: Path, title: str | None = None) -> Comparison:
    """Write `target` (.html), and the table as .csv and .md beside it; return the table.

    Raises:
        UserError: no run can be read, or a file that is not a comparison would be overwritten.
    """
    check_readable(runs, "compare")
    comparison = compare(runs)
    _, spreadsheet = files(target, ".csv")
    check_overwrite(spreadsheet, CSV_BEGINS, "comparison")
    number = len(comparison.runs)
    title = title or f"Comparison of {number} run{'s' * (number != 1)}"
    sections = [made for section in SECTIONS if (made := section(comparison))]
    write_pages("comparison", target, title, summary(comparison), sections, ["comparison.js"])
    write_text(spreadsheet, as_csv(comparison))
    return comparison


def summary(comparison: Comparison) -> list[Block]:
    """Return how many runs there are in which states, and what ranks them."""
    count, best = len(comparison.runs), comparison.best
    states = ", ".join(
        f"{number} {state}" for state, number in Counter(run.state for run in comparison.runs).most_common()
    )
    ranking = "Nothing was measured yet, so they are not ranked."
    if best:
        better = "higher" if best.spec.higher_is_better else "lower"
        ranking = f"Ranked by {best.heading} ({better} is better)."
    blocks: list[Block] = [Text(f"{count} run{'s' * (count != 1)}: {states}. {ranking}", "soft")]
    if bad := sum(bool(run.problems) for run in [*comparison.runs, *comparison.unread]):
        problem = f"{bad} director{'ies have' if bad > 1 else 'y has'} problems."
        blocks.append(Text(problem, "soft", link="problems"))
    return blocks
