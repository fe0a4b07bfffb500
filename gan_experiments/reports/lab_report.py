"""The pages that are made of runs: which sections they have, and where they are written."""

from collections.abc import Callable, Sequence
from pathlib import Path

from gan_experiments.formatting import encodable
from gan_experiments.reports import html, markdown
from gan_experiments.reports.blocks import Section
from gan_experiments.reports.html import check_overwrite, files, mark, write_text
from gan_experiments.reports.sections import (
    alarms,
    curves,
    data,
    environment,
    inspection,
    metrics,
    networks,
    outline,
    problems,
    samples,
    settings,
)
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

RUN_SECTIONS: tuple[Callable[[Run], Section | None], ...] = (
    outline.section,
    samples.section,
    metrics.section,
    curves.section,
    alarms.section,
    inspection.section,
    settings.section,
    data.section,
    networks.section,
    environment.section,
)
"""The sections of the report of one run, in order. A further section is a file in `sections` and a line here."""


def write_report(runs: Sequence[Run], target: Path, title: str | None = None) -> None:
    """Write `target` (.html) and the same as .md beside it; of several runs with their comparison.

    Runs that cannot be read are listed, and the rest is reported.

    Raises:
        UserError: no run can be read, or a file that is not a report would be overwritten.
        OSError: the directory cannot be written.
    """
    readable = [run for run in runs if run.state != "unreadable"]
    check_readable(runs, "report on")
    page, text = files(target, ".md")
    check_overwrite(page, f"<!doctype html>\n{mark('report')}", "report")
    check_overwrite(text, mark("report"), "report")
    if len(readable) == 1:
        run = readable[0]
        title = encodable(title or f"Report: {run.name}")
        head, scripts = outline.head(run), ["report.js"]
        unread = problems.section([run for run in runs if run.state == "unreadable"])
        sections = [*run_sections(run), *([unread] if unread else [])]
    else:
        from gan_experiments.reports.comparison import SEVERAL_SECTIONS, summary  # pandas and scipy take a moment
        from gan_experiments.reports.table import compare

        comparison = compare(runs)
        title = encodable(title or f"Report on {len(readable)} runs")
        head, scripts = summary(comparison), ["report.js", "comparison.js"]
        sections = [made for section in SEVERAL_SECTIONS if (made := section(comparison))]
    write_text(page, html.render(title, head, sections, "report", scripts))
    write_text(text, markdown.render(title, head, sections, text, mark("report")))


def run_sections(run: Run) -> list[Section]:
    """Return all sections of one run."""
    return [made for section in RUN_SECTIONS if (made := section(run))]


def check_readable(runs: Sequence[Run], purpose: str) -> None:
    """Make sure that there is a run that can be read.

    Raises:
        UserError: there is none; reports why.
    """
    if all(run.state == "unreadable" for run in runs):
        reasons = "; ".join(f"{run.directory}: {run.problem}" for run in runs[:3]) or "none was named"
        raise UserError(f"there is no run to {purpose} ({reasons}). Name run directories, or that of a sweep.")
