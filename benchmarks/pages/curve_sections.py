"""The part of a page that shows metrics during training: against images drawn, and against the generator's steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pictures import is_drawn_of, save
from study_results import NOT_RUN, Runs, load, over_seeds, place, short

from gan_experiments.reports.statistics import differences

AXES = {"kimg": "thousands of real images drawn (kimg)", "generator_steps": "steps of the generator"}
PICTURE = "curves.png"


def curves_section(name: str) -> str:
    """Write the picture of a study's curves, values at equal images and at equal generator steps, and what they say."""
    study, runs = _load(name)
    if not all(runs.values()):
        return NOT_RUN
    parts = [f"![Curves](results/{name}/{PICTURE})\n", *(_at_equal(key, runs) for key in study["curves"])]
    return "\n".join(parts)


def _load(name: str) -> tuple[dict[str, Any], Runs]:
    """Return a study with those of its runs that have reached their end."""
    study, runs = load(name)
    return study, {
        variant: [run for run in of_seeds if run["status"] == "finished" and "curves" in run]
        for variant, of_seeds in runs.items()
    }


def is_current(name: str) -> bool:
    """Return whether the picture of a study is that of its results."""
    study, runs = _load(name)
    return not all(runs.values()) or is_drawn_of(place(name) / PICTURE, _drawn(study, runs))


def draw(name: str) -> None:
    """Draw each variant's mean over seeds, and all seeds thinly, over both axes."""
    from matplotlib.figure import Figure

    study, runs = _load(name)

    keys = study["curves"]
    figure = Figure(figsize=(12, 4.6 * len(keys)), layout="constrained")
    grid = figure.subplots(len(keys), 2, squeeze=False)
    for key, line in zip(keys, grid, strict=True):
        for axis, unit in zip(line, AXES, strict=True):
            for number, (variant, of_seeds) in enumerate(runs.items()):
                colour = f"C{number}"
                for run in of_seeds:
                    axis.plot(run["curves"][key][unit], run["curves"][key]["value"], color=colour, alpha=0.25, lw=0.8)
                places, mean = _mean(of_seeds, key, unit)
                axis.plot(places, mean, color=colour, marker=".", label=variant)
            axis.set(xlabel=AXES[unit], ylabel=key, yscale="log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("{x:g}")
            axis.grid(alpha=0.3, which="both")
        line[1].set_xscale("log")
        line[0].legend()
    save(figure, place(name) / PICTURE, _drawn(study, runs))


def _drawn(study: dict[str, Any], runs: Runs) -> list[Any]:
    """Return what the picture is drawn from."""
    return [study["curves"], {variant: [run["curves"] for run in of_seeds] for variant, of_seeds in runs.items()}]


def _mean(of_seeds: list[dict[str, Any]], key: str, unit: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean over seeds at the places of the first; seeds are measured at the same ones."""
    places = np.array(of_seeds[0]["curves"][key][unit])
    return places, np.mean([np.interp(places, *_points(run, key, unit)) for run in of_seeds], axis=0)


def _points(run: dict[str, Any], key: str, unit: str) -> tuple[list[float], list[float]]:
    return run["curves"][key][unit], run["curves"][key]["value"]


def _at_equal(key: str, runs: Runs) -> str:
    """Return a table of values at equal images and at equal generator steps, and a sentence about each."""
    kimg = min(run["curves"][key]["kimg"][-1] for of_seeds in runs.values() for run in of_seeds)
    ends = {variant: min(run["curves"][key]["generator_steps"][-1] for run in of) for variant, of in runs.items()}
    at = {f"{kimg:,.0f} kimg": _values(runs, key, "kimg", kimg)}
    for steps in sorted(set(ends.values()))[:-1]:
        reaching = {variant: of_seeds for variant, of_seeds in runs.items() if ends[variant] >= steps}
        at[f"{steps:,} generator steps"] = _values(reaching, key, "generator_steps", steps)
    lines = [f"| `{key}` | at {' | at '.join(at)} | generator steps in all |", "|---|" + "---|" * (len(at) + 1)]
    for variant in runs:
        cells = [over_seeds(values[variant]) if variant in values else "" for values in at.values()]
        lines.append(f"| {variant} | {' | '.join(cells)} | {ends[variant]:,} |")
    return "\n".join([*lines, "", *(_sentence(where, values) for where, values in at.items()), ""])


def _values(runs: Runs, key: str, unit: str, place: float) -> dict[str, list[float]]:
    return {
        variant: [float(np.interp(place, *_points(run, key, unit))) for run in of_seeds]
        for variant, of_seeds in runs.items()
    }


def _sentence(where: str, values: dict[str, list[float]]) -> str:
    """Return which variant is best, and which others differ from it by Welch's test, adjusted by Holm for all pairs."""
    order = sorted(values, key=lambda variant: float(np.mean(values[variant])))
    tests = differences([values[variant] for variant in order])
    apart = [order[test.second] for test in tests if test.first == 0 and test.significant]
    ranked = ", ".join(f"{variant} ({short(float(np.mean(values[variant])))})" for variant in order)
    told = f"differs from {', '.join(apart)}" if apart else "cannot be told apart from any other"
    return (
        f"- **At {where}**, best first: {ranked}. {order[0]} {told} at 5% (Welch's t-test, adjusted by Holm for all "
        f"{len(tests)} pairs)."
    )
