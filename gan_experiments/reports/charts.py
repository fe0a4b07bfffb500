"""Figures for plotly as plain data: drawn in the page by its scripts, from the values of metrics.csv."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gan_experiments.runs.metrics_csv import CLOCKS, SPEED
from gan_experiments.types import is_number

PALETTE = (
    "#0b62b0", "#d1495b", "#2e933c", "#e08e00", "#7b4fb5", "#00909e", "#8c5a2b", "#c2399b", "#5f6b7a", "#8a9a00",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot")
CLOCK_POINTS = 100


def curves(rows: Sequence[Mapping[str, float]], limit: int = 200) -> dict[str, Any]:
    """Return all scalars of metrics.csv for the page's curve panel, with at most `limit` points each.

    Returns:
        `scalars`: by name, a position in `places`, where the list of kimg is, and the list of values; `clock`: lists
        kimg, iterations and training seconds, between which the page interpolates (an axis that the rows lack is None).
    """
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        kimg = row.get("kimg", math.nan)
        for name, value in row.items():
            if name not in CLOCKS and math.isfinite(value) and math.isfinite(kimg):
                places, values = found.setdefault(name, ([], []))
                places.append(kimg)
                values.append(value)
    scalars = {}
    known: dict[tuple[float, ...], int] = {}  # metrics are all measured at the same places
    for name, (places, values) in found.items():
        kept = thin(values, limit)
        position = known.setdefault(tuple(places[i] for i in kept), len(known))
        scalars[name] = [position, [_short(values[i], 5) for i in kept]]
    return {"places": [list(map(_short, places)) for places in known], "scalars": scalars, "clock": _clock(rows)}


def thin(values: Sequence[float], limit: int) -> list[int]:
    """Return the positions of at most `limit` (4 or more) values: both ends, and each stretch's lowest and highest."""
    if len(values) <= limit:
        return list(range(len(values)))
    stretches = (limit - 2) // 2
    kept = {0, len(values) - 1}
    for stretch in range(stretches):
        first, end = (1 + (len(values) - 2) * part // stretches for part in (stretch, stretch + 1))
        positions = range(first, end)
        kept |= {min(positions, key=values.__getitem__), max(positions, key=values.__getitem__)}
    return sorted(kept)


def _clock(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float] | None]:
    """Return iterations and training seconds at some kimg; seconds sum images over images per second."""
    points = [(0.0, 0.0, 0.0)]
    # Rows of evaluations tell no speed, and stand beside rows of losses, which do.
    for row in [row for row in rows if row.get(SPEED, 0) > 0] or rows:
        kimg, iterations = row.get("kimg", math.nan), row.get("iteration", math.nan)
        before, speed = points[-1], row.get(SPEED, math.nan)
        if kimg > before[0]:
            points.append((kimg, iterations, before[2] + (kimg - before[0]) * 1000 / speed))
    step = -(-len(points) // CLOCK_POINTS)
    kept = [*points[:-1:step], points[-1]]
    clock: dict[str, list[float] | None] = {}
    for name, values in zip(("kimg", "iterations", "seconds"), zip(*kept, strict=True), strict=True):
        known = len(points) > 1 and all(map(math.isfinite, values))
        clock[name] = [_short(value) for value in values] if known else None
    return clock


def _short(value: float, digits: int = 7) -> float:
    """Round to so many digits; a whole number is written without a point."""
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e9 else rounded


Dimension = tuple[str, Sequence[Any]]
"""An axis of parallel coordinates: its name, and one value for each run, numbers or anything that can be written."""


def parallel_coordinates(dimensions: Sequence[Dimension], higher_is_better: bool) -> dict[str, Any]:
    """Draw each run as a line across its settings and values; the last dimension, all numbers, gives the colour."""
    name, colour = dimensions[-1]
    line = {
        "color": list(colour),
        "colorscale": "Viridis",
        "reversescale": not higher_is_better,  # the best are bright
        "showscale": True,
        "colorbar": {"title": {"text": html.escape(name, quote=False), "side": "right"}, "thickness": 12},
    }
    axes = [_axis(*dimension) for dimension in dimensions]
    first = max((len(text) for text in axes[0].get("ticktext", ())), default=0)
    data = {"type": "parcoords", "line": line, "dimensions": axes, "labelangle": -18, "labelfont": {"size": 12}}
    return {"data": [data], "layout": {"margin": {"l": 60 + 6 * first, "r": 40, "t": 90, "b": 30}}}


def _axis(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return numbers an axis of numbers (logarithmic over more than a factor of 50), all else one of categories."""
    axis: dict[str, Any] = {"label": html.escape(_fit(name, 28), quote=False)}  # plotly reads some tags
    if all(map(is_number, values)):
        if min(values) <= 0 or max(values) / min(values) < 50:
            return axis | {"values": list(values)}
        ticks = sorted(set(values))
        if len(ticks) >= 12:
            powers = range(math.ceil(math.log10(ticks[0])), math.floor(math.log10(ticks[-1])) + 1)
            ticks = [10.0**power for power in powers]
        texts = [f"{tick:g}" for tick in ticks]
        positions, places = [math.log10(value) for value in values], [math.log10(tick) for tick in ticks]
    else:
        words = [str(value) for value in values]
        order = sorted(set(words))
        texts = [html.escape(_fit(word, 24), quote=False) for word in order]
        positions, places = [order.index(word) for word in words], list(range(len(order)))
    return axis | {"values": positions, "tickvals": places, "ticktext": texts}


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
