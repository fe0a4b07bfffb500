"""The comparison page: many runs in one file, with the same table as CSV and as Markdown beside it."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from gan_experiments.formatting import encodable
from gan_experiments.reports import html, markdown
from gan_experiments.reports.blocks import Block, Section, Text
from gan_experiments.reports.html import check_overwrite, files, mark, write_text
from gan_experiments.reports.lab_report import check_readable
from gan_experiments.reports.sections import (
    differing,
    each_run,
    parallel,
    problems,
    protocols,
    run_curves,
    run_samples,
    run_settings,
    seeds,
)
from gan_experiments.reports.sections import runs as runs_table
from gan_experiments.reports.table import Comparison, compare
from gan_experiments.reports.table_export import CSV_BEGINS, as_csv
from gan_experiments.runs.run import Run

SECTIONS: tuple[Callable[[Comparison], Section | None], ...] = (
    runs_table.section,
    seeds.section,
    run_curves.section,
    run_samples.section,
    run_settings.section,
    parallel.section,
    protocols.section,
    lambda comparison: problems.section([*comparison.runs, *comparison.unread]),
)
"""The sections of a comparison, in order."""
SEVERAL_SECTIONS = (differing.section, *SECTIONS, each_run.section)
"""The sections of the report of several runs."""


def write_comparison(runs: Sequence[Run], target: Path, title: str) -> None:
    """Write `target` (.html), and the table as .csv and .md beside it.

    Raises:
        UserError: no run can be read, or a file that is not a comparison would be overwritten.
        OSError: the directory cannot be written.
    """
    check_readable(runs, "compare")
    write_table(compare(runs), target, title)


def write_table(comparison: Comparison, target: Path, title: str) -> None:
    """Write a comparison as `write_comparison` does; raises the same."""
    page, spreadsheet, text = files(target, ".csv", ".md")
    check_overwrite(page, f"<!doctype html>\n{mark('comparison')}", "comparison")
    check_overwrite(spreadsheet, CSV_BEGINS, "comparison")
    check_overwrite(text, mark("comparison"), "comparison")
    title, head = encodable(title), summary(comparison)
    sections = [made for section in SECTIONS if (made := section(comparison))]
    write_text(page, html.render(title, head, sections, "comparison", ["comparison.js"]))
    write_text(spreadsheet, as_csv(comparison))
    write_text(text, markdown.render(title, head, sections, text, mark("comparison")))


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
