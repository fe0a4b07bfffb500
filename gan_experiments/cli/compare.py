"""`compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_experiments.formatting import plus_minus, print_json, print_table, say, with_interval
from gan_experiments.runs.run import find_runs
from gan_experiments.types import UserError

if TYPE_CHECKING:
    from gan_experiments.reports.table import Table

SHOWN = 20


def compare(
    paths: Annotated[
        list[Path], typer.Argument(help="Runs, sweeps, directories above them, or patterns such as 'outputs/*/*'.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write, NAME.html; NAME.csv and NAME.md go beside it.")
    ] = Path("comparison.html"),
    title: Annotated[str | None, typer.Option(help="What stands above it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare runs on one page: values with intervals, curves, samples, settings; seeds joined and tested."""
    from gan_experiments.reports.comparison import BESIDE, write_table  # charts and statistics take a moment
    from gan_experiments.reports.html import files
    from gan_experiments.reports.table import tabulate
    from gan_experiments.reports.table_export import to_json

    output = output.expanduser().absolute()
    written = files(output, BESIDE)
    table = tabulate(find_runs(paths))
    number = len(table.rows)
    try:
        write_table(table, output, title or f"Comparison of {number} run{'s' * (number != 1)}")
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error}): name another place with -o.") from error
    if as_json:
        print_json(to_json(table, written))
        return
    _print_runs(table)
    _print_groups(table)
    for record in table.unread[:SHOWN]:
        say(f"Not read: {record.directory}: {record.problem}.")
    if len(table.unread) > SHOWN:
        say(f"Not read: {len(table.unread) - SHOWN} more; the page lists them.")
    say(f"Written to {written[0]}, the table also to {written[1].name} and {written[2].name} beside it.")


def _print_runs(table: "Table") -> None:
    """Print the best runs, by the metric that ranks them."""
    from gan_experiments.reports.groups import telling

    best = table.best
    keys = telling([row.settings for row in table.rows], table.keys)
    heading = f"{best.name} {best.arrow}" if best else "value"
    rows = [
        (
            row.rank or "",
            row.name,
            row.record.state,
            "\n".join(f"{key}={row.settings[key]}" for key in keys),
            with_interval(row.values.get(best)) if best else "",
        )
        for row in table.rows[:SHOWN]
    ]
    print_table(("#", "run", "state", "settings", heading), rows, right=f"#,{heading}")
    if best:
        better = "higher" if best.higher_is_better else "lower"
        say(f"{best.heading}: {better} is better; ± 95% over sampling seeds of one run.")
    else:
        say("Nothing was measured yet, so they are not ranked.")
    if len(table.rows) > SHOWN:
        say(f"These are the first {SHOWN} of {len(table.rows)} runs; the page holds all.")


def _print_groups(table: "Table") -> None:
    """Print the means over seeds, where there are several of one experiment, and the pairs that differ."""
    from gan_experiments.reports.groups import compare_groups, group_rows

    groups = group_rows(table)
    if table.best is None or all(len(group.rows) == 1 for group in groups):
        return
    found = compare_groups(groups, table.best)
    rows = [
        (summary.group.name, summary.mean.count, plus_minus(summary.mean.mean, summary.mean.half))
        for summary in found.summaries[:SHOWN]
    ]
    if rows:
        print_table(("seeds joined", "seeds", "mean"), rows, right="seeds,mean")
        say("± 95% over seeds of training (Student's t).")
    differing = sum(verdict.test.significant for verdict in found.verdicts)
    if found.verdicts:
        say(f"Pairs that differ at 5%: {differing} of {len(found.verdicts)} (Welch's t test, Holm's adjustment).")
