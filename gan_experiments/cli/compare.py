"""`compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_experiments.formatting import print_json, say
from gan_experiments.runs.run import find_runs
from gan_experiments.types import UserError

if TYPE_CHECKING:
    from gan_experiments.reports.table import Comparison

SHOWN = 20


def compare(
    paths: Annotated[
        list[Path], typer.Argument(help="Runs, sweeps, directories above them, or patterns such as 'outputs/*/*'.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write, NAME.html; NAME.csv and NAME.md go beside it.")
    ] = Path("comparison.html"),
    title: Annotated[str | None, typer.Option(help="The heading of the page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare runs on one page: values with intervals, curves, samples, settings; seeds joined and tested."""
    from gan_experiments.reports import table  # with pandas and scipy, which take a moment
    from gan_experiments.reports.comparison import write_table
    from gan_experiments.reports.html import files
    from gan_experiments.reports.lab_report import check_readable
    from gan_experiments.reports.table_export import to_json

    output = output.expanduser().absolute()
    written = files(output, ".csv", ".md")
    runs = find_runs(paths)
    check_readable(runs, "compare")
    comparison = table.compare(runs)
    number = len(comparison.runs)
    try:
        write_table(comparison, output, title or f"Comparison of {number} run{'s' * (number != 1)}")
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error}): name another file with -o.") from error
    if as_json:
        print_json(to_json(comparison, written))
        return
    _print(comparison)
    for run in comparison.unread[:SHOWN]:
        say(f"Not read: {run.directory}: {run.problem}.")
    if len(comparison.unread) > SHOWN:
        say(f"Not read: {len(comparison.unread) - SHOWN} more; the page lists them.")
    say(f"Written to {written[0]}, the table also to {written[1].name} and {written[2].name} beside it.")


def _print(comparison: "Comparison") -> None:
    """Print the best runs, by the metric that ranks them, and the means over seeds."""
    from gan_experiments.reports import terminal
    from gan_experiments.reports.comparison import summary
    from gan_experiments.reports.sections import runs, seeds

    terminal.show_blocks([runs.table(comparison, SHOWN)])
    say("± 95% over sampling seeds of one run.")
    if len(comparison.runs) > SHOWN:
        say(f"These are the first {SHOWN} of {len(comparison.runs)} runs; the page has all.")
    terminal.show_blocks(summary(comparison))
    terminal.show([section] if (section := seeds.section(comparison)) else [])
