"""The sample grids of several runs at one point of training."""

from gan_experiments.reports import images
from gan_experiments.reports.blocks import Section, Text, Widget
from gan_experiments.reports.table import Comparison


def section(comparison: Comparison) -> Section | None:
    """Return a slider that moves the grids of the checked runs, where there are any."""
    if not any(run.grids for run in comparison.runs):
        return None
    grids = images.gather(comparison.runs)
    problems = [
        Text("; ".join(texts), "note", label=f"{comparison.runs[position].directory}:")
        for position, texts in grids.problems.items()
    ]
    widgets = [Widget("run_samples", lambda: {"grids": grids})] if grids.pictures else []
    return Section("grids", "Samples", [*widgets, *problems], browser_only=True) if grids.pictures or problems else None
