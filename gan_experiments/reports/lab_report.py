"""The pages that are made of runs: which sections they have, and where they are written."""

from collections.abc import Callable, Sequence
from pathlib import Path

from gan_experiments.formatting import encodable
from gan_experiments.reports import html, markdown
from gan_experiments.reports.blocks import Block, Section, Table
from gan_experiments.reports.html import check_overwrite, files, write_text
from gan_experiments.reports.sections import curves, metrics, one_run
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

RUN_SECTIONS: tuple[Callable[[Run], Section | None], ...] = (
    one_run.outline,
    one_run.samples,
    metrics.section,
    curves.section,
    one_run.alarms,
    one_run.inspection,
    one_run.settings,
    one_run.data,
    one_run.networks,
    one_run.environment,
)
"""The sections of the report of one run, in order. A further section is a function in `sections` and a line here."""


def write_report(runs: Sequence[Run], target: Path, title: str | None = None) -> None:
    """Write `target` (.html) and the same as .md beside it; of several runs with their comparison.

    Runs that cannot be read are listed, and the rest is reported.

    Raises:
        UserError: no run can be read, or a file that is not a report would be overwritten.
        OSError: the directory cannot be written.
    """
    readable = [run for run in runs if run.state != "unreadable"]
    check_readable(runs, "report on")
    if len(readable) == 1:
        run = readable[0]
        title = title or f"Report: {run.name}"
        head, scripts = one_run.head(run), ["report.js"]
        unread = problems([run for run in runs if run.state == "unreadable"])
        sections = [*run_sections(run), *([unread] if unread else [])]
    else:
        from gan_experiments.reports.comparison import SEVERAL_SECTIONS, summary  # pandas and scipy take a moment
        from gan_experiments.reports.table import compare

        comparison = compare(runs)
        title = title or f"Report on {len(readable)} runs"
        head, scripts = summary(comparison), ["report.js", "comparison.js"]
        sections = [made for section in SEVERAL_SECTIONS if (made := section(comparison))]
    write_pages("report", target, title, head, sections, scripts)


def write_pages(
    kind: str, target: Path, title: str, head: Sequence[Block], sections: Sequence[Section], scripts: Sequence[str]
) -> None:
    """Write `target` (.html) and the same as .md beside it, over pages of the same kind only."""
    page, text = files(target, ".md")
    comment = f"<!-- {kind} of gan-experiments -->"
    check_overwrite(page, f"<!doctype html>\n{comment}", kind)
    check_overwrite(text, comment, kind)
    title = encodable(title)
    write_text(page, html.render(title, head, sections, kind, scripts))
    write_text(text, markdown.render(title, head, sections, text, comment))


def run_sections(run: Run) -> list[Section]:
    """Return all sections of one run."""
    return [made for section in RUN_SECTIONS if (made := section(run))]


def check_readable(runs: Sequence[Run], purpose: str) -> None:
    """Raise `UserError` with the reasons where no run can be read."""
    if all(run.state == "unreadable" for run in runs):
        reasons = "; ".join(f"{run.directory}: {run.problem}" for run in runs[:3]) or "none was named"
        raise UserError(f"there is no run to {purpose} ({reasons}). Name run directories, or that of a sweep.")


def problems(runs: Sequence[Run]) -> Section | None:
    """Return the directories with problems, readable or not; None where all is well."""
    rows = [[str(run.directory), run.state, "; ".join(run.problems)] for run in runs if run.problems]
    columns = [("directory", "wrap code"), ("state", "state"), ("problem", "wrap")]
    return Section("problems", "Directories with problems", [Table(columns, rows)]) if rows else None
