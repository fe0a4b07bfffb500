"""The sections about several runs besides their tables: what differs, curves, samples, and each run by itself."""

import itertools
from collections import Counter
from typing import Any

from gan_experiments.config.keys import LABELS, PLACES, WATCHING, flat, short_keys, within
from gan_experiments.formatting import show
from gan_experiments.reports import charts, images
from gan_experiments.reports.blocks import (
    Block,
    Code,
    Details,
    Facts,
    Heading,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    Widget,
)
from gan_experiments.reports.sections import curves, metrics, one_run
from gan_experiments.reports.table import Comparison
from gan_experiments.runs.run import Run
from gan_experiments.types import is_number

MOST_VALUES = 30  # of a key in which runs differ
CURVE_POINTS = 600_000  # in a page
CURVE_LENGTHS = (200, 150, 100, 70, 50, 30, 20)  # points of one curve
MOST_KEYS = 8  # of parallel coordinates
MOST_METRICS = 3
AXIS_WIDTH = 110  # pixels
SMALL_SIDE = 640  # pixels of the last grid of each run
SETTINGS_LEGEND = (
    "Every key of the config, and of what the manifest states about code, libraries, data and machine, in which the "
    "checked runs differ."
)


def differing(comparison: Comparison) -> Section:
    """Return each key in which the runs differ, with its values."""
    rows = []
    for key in comparison.keys:
        options = list(dict.fromkeys(comparison.settings[key]))
        rows.append([key, len(options), "; ".join(options[:MOST_VALUES]) + "; …" * (len(options) > MOST_VALUES)])
    columns = [("key", "code"), ("values", "number"), ("which", "wrap")]
    blocks = Table(columns, rows) if rows else Text("The configs of the runs do not differ.")
    return Section("differing", "What differs", [blocks])


def run_curves(comparison: Comparison) -> Section:
    """Return the curves of the checked runs, one scalar at a time."""
    if not any(charts.curves(run.rows)["scalars"] for run in comparison.runs):
        blocks: list[Block] = [Text("No run has a metrics.csv with rows in it.")]
    else:
        warning = [Text("Losses of different objectives cannot be compared; metrics can.", "soft")]
        blocks = [*(warning if "loss" in comparison.keys else []), Widget("run_curves", lambda: _curves(comparison))]
    return Section("curves-section", "Curves", blocks, browser_only=True)


def _curves(comparison: Comparison) -> dict[str, Any]:
    """Return all curves of all runs, thinned so that a page has room for them, and the names of all scalars.

    The scalar to begin with stands first: the ranking metric where it is more than a point.
    """
    lengths = [count for run in comparison.runs for count in Counter(itertools.chain(*run.rows)).values()]
    fitting = (limit for limit in CURVE_LENGTHS if sum(min(length, limit) for length in lengths) <= CURVE_POINTS)
    limit = next(fitting, CURVE_LENGTHS[-1])
    drawn = [charts.curves(run.rows, limit) for run in comparison.runs]
    names = list(dict.fromkeys(name for curve in drawn for name in curve["scalars"]))
    first, best = "generator/loss", comparison.best
    if best and any(len(curve["scalars"].get(best.key, (0, []))[1]) > 1 for curve in drawn):
        first = best.key
    return {"curves": drawn, "scalars": sorted(names, key=lambda name: name != first)}


def run_samples(comparison: Comparison) -> Section | None:
    """Return a slider that moves the sample grids of the checked runs, where there are any."""
    if not any(run.grids for run in comparison.runs):
        return None
    grids = images.gather(comparison.runs)
    problems = [
        Text("; ".join(texts), "note", label=f"{comparison.runs[position].directory}:")
        for position, texts in grids.problems.items()
    ]
    widgets = [Widget("run_samples", lambda: {"grids": grids})] if grids.pictures else []
    return Section("grids", "Samples", [*widgets, *problems], browser_only=True) if grids.pictures or problems else None


def run_settings(comparison: Comparison) -> Section:
    """Return every setting in which the checked runs differ, in a table that the page's script fills."""
    blocks = [Text(SETTINGS_LEGEND, "soft"), Widget("settings", lambda: {"settings": _settings(comparison.runs)})]
    return Section("settings-section", "Settings", blocks, browser_only=True)


def _settings(runs: list[Run]) -> dict[str, Any]:
    """Return every key whose value differs anywhere: its options, and each run's position among them."""
    every = [{key: show(value) for key, value in (run.flat_config | _made_with(run)).items()} for run in runs]
    found: dict[str, Any] = {"keys": [], "options": [], "of": []}
    for key in dict.fromkeys(key for settings in every for key in settings):
        values = [settings.get(key, "–") for settings in every]
        options = {value: position for position, value in enumerate(dict.fromkeys(values))}
        if len(options) > 1 and not within(key, (*PLACES, *LABELS, *WATCHING)):
            found["keys"].append(key)
            found["options"].append(list(options))
            found["of"].append([options[value] for value in values])
    return found


def _made_with(run: Run) -> dict[str, Any]:
    """Return what the config does not state: the code, the libraries, the images, the machine."""
    manifest = run.manifest
    parts = {name: getattr(manifest, name) for name in ("git", "user_git", "versions", "data", "parameters")}
    device = next((session.device for session in reversed(manifest.sessions)), None)
    return flat({name: part for name, part in parts.items() if part} | {"device": device})


def parallel(comparison: Comparison) -> Section | None:
    """Return settings beside values as parallel coordinates, for three runs or more that differ and were measured."""
    ranked = [at for at, rank in enumerate(comparison.ranks) if rank]
    settings, best = comparison.settings.loc[ranked], comparison.best
    varied = [key for key in comparison.keys if settings[key].nunique() > 1]
    keys = [key for key in varied if key != "seed"][:MOST_KEYS] or varied
    if best is None or not keys or len(ranked) < 3:
        return None
    axes: list[charts.Dimension] = []
    for key, label in zip(keys, short_keys(keys), strict=True):
        values = [(comparison.runs[at].settings.get(key), settings.at[at, key]) for at in ranked]
        axes.append((label, [value if is_number(value) else text for value, text in values]))
    others = [column for column in comparison.main_columns(MOST_METRICS) if column is not best]
    for column in [*others, best]:
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


def each_run(comparison: Comparison) -> Section:
    """Return the short report of each run in the order of the table, folded."""
    text = "In the order of the table above; a click opens a run. gan-experiments report RUN writes its whole report."
    details = []
    for at, (run, name, rank) in enumerate(zip(comparison.runs, comparison.names, comparison.ranks, strict=True)):
        alarms = len(run.manifest.alarms)
        ranked = f" · #{rank}" if rank else ""
        summary = f"Run {name}{ranked}" + f" · {alarms} alarm{'s' * (alarms > 1)}" * bool(alarms)
        details.append(Details(summary, _short_report(run, at), state=run.state, id=f"run-{at}"))
    return Section("each", "Each run", [Text(text, "soft"), *details])


def _short_report(run: Run, position: int) -> list[Block]:
    grids = [Picture(path, str(path.relative_to(run.directory)), SMALL_SIDE) for _, path in run.grids[-1:]]
    return [
        *one_run.head(run),
        Facts(one_run.outline_facts(run)),
        Facts(one_run.notes(run), wide=True),
        *one_run.alarms_reported(run),
        Pictures(grids),
        *curves.panel(run, f"run-curves-{position}", f"curves-{position}", own=False),
        Heading("Metrics"),
        *metrics.main_table(run, metrics.read(run)),
        Heading("How to run it again"),
        *one_run.commands(run),
        Heading("Data and sessions"),
        Facts(one_run.data_facts(run)),
        one_run.sessions(run),
        Code(str(run.directory)),
    ]
