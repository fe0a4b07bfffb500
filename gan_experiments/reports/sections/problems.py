"""What is wrong with the directories of several runs."""

from collections.abc import Sequence

from gan_experiments.reports.blocks import Section, Table
from gan_experiments.runs.run import Run

COLUMNS = [("directory", "wrap code"), ("state", "state"), ("problem", "wrap")]


def section(runs: Sequence[Run]) -> Section | None:
    """Return the directories with problems, readable or not; None where all is well."""
    rows = [[str(run.directory), run.state, "; ".join(run.problems)] for run in runs if run.problems]
    return Section("problems", "Directories with problems", [Table(COLUMNS, rows)]) if rows else None
