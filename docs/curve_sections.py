"""The part of a page that shows metrics during training: against images drawn, and against the generator's steps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from study_sections import NOT_RUN, Runs, holm, load, over_seeds, short, welch

DOCS = Path(__file__).resolve().parent
AXES = {"kimg": "thousands of real images drawn (kimg)", "generator_steps": "steps of the generator"}
PICTURE = "curves.png"


def curves_section(name: str) -> str:
    """Write the picture of a study's curves, values at equal images and at equal generator steps, and what they say."""
    study, runs = load(name)
    runs = {variant: [run for run in of_seeds if "curves" in run] for variant, of_seeds in runs.items()}
    if not all(runs.values()):
        return NOT_RUN
    draw(study, runs, DOCS / "results" / name / PICTURE)
    return "\n".join([f"![Curves](results/{name}/{PICTURE})\n", *(_at_equal(key, runs) for key in study["curves"])])


def draw(study: dict[str, Any], runs: Runs, target: Path) -> None:
    """Draw each variant's mean over seeds, and all seeds thinly, over both axes; leaves a picture of the same data."""
    digest = hashlib.sha256(json.dumps([study, {k: [r["curves"] for r in v] for k, v in runs.items()}]).encode())
    if target.exists() and _digest(target) == digest.hexdigest():
        return
    from matplotlib.figure import Figure

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
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=90, metadata={"Description": digest.hexdigest()})


def _digest(picture: Path) -> str | None:
    from PIL import Image

    with Image.open(picture) as opened:
        found = opened.info.get("Description")
    return None if found is None else str(found)


def _mean(of_seeds: list[dict[str, Any]], key: str, unit: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the mean over seeds at the places of the first; seeds are measured at the same ones."""
    places = np.array(of_seeds[0]["curves"][key][unit])
    return places, np.mean([np.interp(places, *_points(run, key, unit)) for run in of_seeds], axis=0)


def _points(run: dict[str, Any], key: str, unit: str) -> tuple[list[float], list[float]]:
    return run["curves"][key][unit], run["curves"][key]["value"]


def _at_equal(key: str, runs: Runs) -> str:
    """Give a table of values at equal images and at equal generator steps, and a sentence about each."""
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
    """Say which variant is best, and from which others it differs by Welch's test with Holm's adjustment."""
    order = sorted(values, key=lambda variant: float(np.mean(values[variant])))
    best, others = order[0], order[1:]
    decided = holm([float(welch(values[best], values[other]).pvalue) for other in others])
    apart = [other for other, significant in zip(others, decided, strict=True) if significant]
    ranked = ", ".join(f"{variant} ({short(float(np.mean(values[variant])))})" for variant in order)
    told = f"differs from {', '.join(apart)}" if apart else "differs from none"
    return (
        f"- **At {where}**, best first: {ranked}. {best} {told} at 5% (Welch's t-test against the best, Holm over "
        f"{len(others)})."
    )
