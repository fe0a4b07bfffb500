"""The curves of several runs, one scalar at a time."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gan_experiments.reports import charts
from gan_experiments.reports.blocks import Block, Section, Text, Widget
from gan_experiments.reports.table import Comparison, MetricColumn
from gan_experiments.runs.run import Run

POINTS = 600_000  # in a page
LENGTHS = (200, 150, 100, 70, 50, 30, 20)  # points of one curve


def section(comparison: Comparison) -> Section:
    """Return the curves of the checked runs."""
    if not any(charts.scalar_names(run.rows) for run in comparison.runs):
        blocks: list[Block] = [Text("No run has a metrics.csv with rows in it.")]
    else:
        warning = [Text("Losses of different objectives cannot be compared; metrics can.", "soft")]
        blocks = [*(warning if "loss" in comparison.keys else []), Widget("run_curves", lambda: _data(comparison))]
    return Section("curves-section", "Curves", blocks, browser_only=True)


def _data(comparison: Comparison) -> dict[str, Any]:
    curves = _curves(comparison.runs)
    return {"curves": curves, "scalars": _scalars(curves, comparison.best)}


def _curves(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return all curves of all runs, thinned so that a page has room for them."""
    lengths = [count for run in runs for count in Counter(itertools.chain(*run.rows)).values()]
    fitting = (limit for limit in LENGTHS if sum(min(length, limit) for length in lengths) <= POINTS)
    limit = next(fitting, LENGTHS[-1])
    return [charts.curves(run.rows, limit) for run in runs]


def _scalars(curves: Sequence[dict[str, Any]], best: MetricColumn | None) -> list[str]:
    """Return the names of all curves, first the one to begin with: the ranking metric where it is more than a point."""
    names = list(dict.fromkeys(name for curve in curves for name in curve["scalars"]))
    is_drawn = best is not None and any(len(curve["scalars"].get(best.key, (0, []))[1]) > 1 for curve in curves)
    first = best.key if best is not None and is_drawn else "generator/loss"
    return sorted(names, key=lambda name: name != first)
