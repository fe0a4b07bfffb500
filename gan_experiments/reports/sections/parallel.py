"""Settings beside values as parallel coordinates."""

from typing import Any

from gan_experiments.config.keys import short_keys
from gan_experiments.reports import charts
from gan_experiments.reports.blocks import Section, Text, Widget
from gan_experiments.reports.table import Comparison
from gan_experiments.types import is_number

MOST_KEYS = 8
MOST_METRICS = 3
AXIS_WIDTH = 110  # pixels


def section(comparison: Comparison) -> Section | None:
    """Return the figure, for three runs or more that differ in something and were all measured."""
    ranked = [at for at, rank in enumerate(comparison.ranks) if rank]
    settings, best = comparison.settings.loc[ranked], comparison.best
    differing = [key for key in comparison.keys if settings[key].nunique() > 1]
    keys = [key for key in differing if key != "seed"][:MOST_KEYS] or differing
    if best is None or not keys or len(ranked) < 3:
        return None
    axes: list[charts.Dimension] = []
    for key, label in zip(keys, short_keys(keys), strict=True):
        values = [(comparison.runs[at].settings.get(key), settings.at[at, key]) for at in ranked]
        axes.append((label, [value if is_number(value) else text for value, text in values]))
    metrics = [column for column in comparison.main_columns(MOST_METRICS) if column is not best]
    for column in [*metrics, best]:
        numbers = [comparison.number(at, column) for at in ranked]
        if None not in numbers:
            name = column.spec.name if column.number == 1 else column.heading
            axes.append((f"{name} {column.arrow}", numbers))
    text = (
        f"A line is a run with a value of {best.heading}; bright is good. Drag along an axis to keep the runs of a "
        "range, drag an axis by its name to move it."
    )

    def data() -> dict[str, Any]:
        spec = charts.parallel_coordinates(axes, best.spec.higher_is_better)
        return {"id": "parallel", "narrowest": AXIS_WIDTH * len(axes), "spec": spec}

    blocks = [Text(text, "soft"), Widget("figure", data)]
    return Section("parallel-section", "Parallel coordinates", blocks, browser_only=True)
