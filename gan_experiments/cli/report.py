"""`report`."""

from pathlib import Path
from typing import Annotated

import typer

from gan_experiments.cli.pdf import check_pdf, find_browser, print_page
from gan_experiments.formatting import print_json, say
from gan_experiments.runs.run import Run, find_runs
from gan_experiments.types import UserError

NAME = "report.html"
SHOWN = 20


def report(
    paths: Annotated[
        list[Path], typer.Argument(help="Runs, sweeps, directories above them, or patterns such as 'outputs/*/*'.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page to write, NAME.html; NAME.md goes beside it. [RUN/report.html; of several "
            "runs ./report.html]",
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write NAME.pdf too, by a Chromium that is installed.")] = False,
    title: Annotated[str | None, typer.Option(help="What stands above it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the lab report of a run, or of several with their comparison: one page, and the same in Markdown."""
    from gan_experiments.reports.html import files
    from gan_experiments.reports.lab_report import write_report  # pages take a moment

    records = find_runs(paths)
    output = _place(records) if output is None else output.expanduser().absolute()
    written = files(output, ".md")
    browser = ""
    try:
        if pdf:
            browser = find_browser()
            written.append(output.with_suffix(".pdf"))
            check_pdf(written[-1])
        write_report(records, output, title)
        if pdf:
            print_page(output, written[-1], browser)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error}): name another place with -o.") from error
    unread = {str(record.directory): record.problem for record in records if record.state == "unreadable"}
    if as_json:
        print_json({"written": [str(path) for path in written], "unread": unread})
        return
    for directory, problem in list(unread.items())[:SHOWN]:
        say(f"Not read: {directory}: {problem}.")
    if len(unread) > SHOWN:
        say(f"Not read: {len(unread) - SHOWN} more; the report lists them.")
    num_runs = len(records) - len(unread)
    others = " and ".join(path.name for path in written[1:])
    say(f"Report on {num_runs} run{'s' * (num_runs != 1)}: {written[0]}, beside it {others}.")


def _place(records: list[Run]) -> Path:
    """Return where a report goes by itself: into the run, or of several where the command is typed."""
    return (records[0].directory if len(records) == 1 else Path.cwd()) / NAME
