"""`compare`."""

from pathlib import Path
from typing import Annotated

import typer

from gan_experiments.cli.paths import RunPaths
from gan_experiments.formatting import print_json, say
from gan_experiments.runs.run import find_runs
from gan_experiments.types import UserError

SHOWN = 20


def compare(
    paths: RunPaths,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write, NAME.html; NAME.csv and NAME.md go beside it.")
    ] = Path("comparison.html"),
    title: Annotated[str | None, typer.Option(help="The heading of the page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare runs on one page: values with intervals, curves, samples, settings; seeds joined and tested."""
    from gan_experiments.reports import terminal
    from gan_experiments.reports.comparison import summary, write_comparison  # with pandas and scipy: take a moment
    from gan_experiments.reports.html import files
    from gan_experiments.reports.sections import tables
    from gan_experiments.reports.table import to_json

    output = output.expanduser().absolute()
    written = files(output, ".csv", ".md")
    runs = find_runs(paths)
    try:
        comparison = write_comparison(runs, output, title)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error}): name another file with -o.") from error
    if as_json:
        print_json(to_json(comparison, written))
        return
    terminal.show_blocks([tables.table(comparison, SHOWN)])
    say("± 95% over sampling seeds of one run.")
    if len(comparison.runs) > SHOWN:
        say(f"These are the first {SHOWN} of {len(comparison.runs)} runs; the page has all.")
    terminal.show_blocks(summary(comparison))
    terminal.show([section] if (section := tables.seeds(comparison)) else [])
    for run in comparison.unread[:SHOWN]:
        say(f"Not read: {run.directory}: {run.problem}.")
    if len(comparison.unread) > SHOWN:
        say(f"Not read: {len(comparison.unread) - SHOWN} more; the page lists them.")
    say(f"Written to {written[0]}, the table also to {written[1].name} and {written[2].name} beside it.")
