"""The short report of each of several runs."""

from gan_experiments.reports.blocks import Block, Code, Details, Facts, Heading, Picture, Pictures, Section, Text
from gan_experiments.reports.sections import alarms, curves, data, environment, metrics, outline
from gan_experiments.reports.table import Comparison
from gan_experiments.runs.run import Run

SMALL_SIDE = 640  # pixels of the last grid


def section(comparison: Comparison) -> Section:
    """Return the runs in the order of the table, folded."""
    text = "In the order of the table above; a click opens a run. gan-experiments report RUN writes its whole report."
    runs = [
        Details(_summary(comparison, at), _blocks(run, at), state=run.state, id=f"run-{at}")
        for at, run in enumerate(comparison.runs)
    ]
    return Section("each", "Each run", [Text(text, "soft"), *runs])


def _summary(comparison: Comparison, position: int) -> str:
    alarms = len(comparison.runs[position].manifest.alarms)
    rank = comparison.ranks[position]
    ranked = f" · #{rank}" if rank else ""
    return f"Run {comparison.names[position]}{ranked}" + f" · {alarms} alarm{'s' * (alarms > 1)}" * bool(alarms)


def _blocks(run: Run, position: int) -> list[Block]:
    grids = [Picture(path, str(path.relative_to(run.directory)), SMALL_SIDE) for _, path in run.grids[-1:]]
    return [
        *outline.head(run),
        Facts(outline.facts(run)),
        Facts(outline.notes(run), wide=True),
        *alarms.reported(run),
        Pictures(grids),
        *curves.panel(run, f"run-curves-{position}", f"curves-{position}", own=False),
        Heading("Metrics"),
        *metrics.main_table(run, metrics.read(run)),
        Heading("How to run it again"),
        *outline.commands(run),
        Heading("Data and sessions"),
        Facts(data.facts(run)),
        environment.sessions(run),
        Code(str(run.directory)),
    ]
