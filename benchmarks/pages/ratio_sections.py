"""The part of a page that shows a study of training ratios: balance of the losses and quality against the ratio."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

from pictures import is_drawn_of, save
from study_results import NOT_RUN, Result, Runs, counted, load, over_seeds, place, values

PICTURE = "ratios.png"
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
LOSSES = ("discriminator/loss", "generator/loss")


def ratios_section(name: str) -> str:
    """Write the picture, and a table of what happened in each variant."""
    study, runs = _load(name)
    if not runs:
        return NOT_RUN
    quality = study["quality"]
    heads = ["D updates for one of G", "D's loss", "G's loss", "D's loss over G's", f"`{quality}`"]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for variant, of_seeds in runs.items():
        losses = [over_seeds(values(of_seeds, key, {"last_third": True})) for key in LOSSES]
        ratio = over_seeds([_ratio(run) for run in of_seeds])
        cells = [ratio, *losses, over_seeds(_balances(of_seeds)), over_seeds(values(of_seeds, quality))]
        lines.append(f"| {variant} ({counted(len(of_seeds), 'run')}) | {' | '.join(cells)} |")
    return (
        f"![Balance of losses and quality against the ratio](results/{name}/{PICTURE})\n\n" + "\n".join(lines) + "\n\n"
        "Updates are counted over the whole run: under a threshold they are what the losses made of it. Losses are "
        "means of the last third of training. Mean over training seeds ± its 95% interval by Student's t.\n"
    )


def is_current(name: str) -> bool:
    """Return whether the picture of a study is that of its results."""
    study, runs = _load(name)
    return not runs or is_drawn_of(place(name) / PICTURE, _points(study, runs))


def draw(name: str) -> None:
    """Draw each run as a point: circles for static ratios, crosses for thresholds."""
    from matplotlib.figure import Figure

    study, runs = _load(name)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots(1, 2)
    points = _points(study, runs)
    for axis, column, label in zip(axes, (1, 2), ("D's loss over G's", study["quality"]), strict=True):
        for number, (variant, of_variant) in enumerate(points.items()):
            marker = "x" if of_variant["threshold"] else "o"
            places = [point for point in of_variant["points"] if point[0] > 0 and _drawable(point[column])]
            axis.plot(
                [point[0] for point in places], [point[column] for point in places], marker,
                color=f"C{number % 10}", markerfacecolor="none", label=variant,
            )  # fmt: skip
        axis.set(xscale="log", yscale="log", xlabel="updates of D for one of G", ylabel=label)
        low, high = axis.get_xlim()
        axis.set_xticks([tick for tick in TICKS if low <= tick <= high])
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.yaxis.set_major_formatter("{x:g}")
        bottom, top = axis.get_ylim()
        axis.yaxis.set_minor_formatter("{x:g}" if top < 10 * bottom else "")  # over decades, powers of ten are enough
        axis.grid(alpha=0.3, which="both")
    axes[1].legend(fontsize="small")
    save(figure, place(name) / PICTURE, points)


def _load(name: str) -> tuple[dict[str, Any], Runs]:
    """Return a study with those of its runs whose steps and losses are known."""
    study, runs = load(name)
    known = {
        variant: [
            run
            for run in of_seeds
            if run["status"] == "finished"
            and run.get("generator_steps")
            and all(run.get("curves", {}).get(key, {}).get("value") for key in LOSSES)
        ]
        for variant, of_seeds in runs.items()
    }
    return study, {variant: of_seeds for variant, of_seeds in known.items() if of_seeds}


def _points(study: dict[str, Any], runs: Runs) -> dict[str, Any]:
    """Return for each run the ratio, the balance of losses, and the quality; None where one is undefined."""
    return {
        variant: {
            "threshold": any("schedule=loss_threshold" in run["command"] for run in of_seeds),
            "points": [
                [_ratio(run), _number(_balances([run])), _number(values([run], study["quality"]))] for run in of_seeds
            ],
        }
        for variant, of_seeds in runs.items()
    }


def _ratio(run: Result) -> float:
    return float(run["discriminator_steps"]) / float(run["generator_steps"])


def _balances(of_seeds: list[Result]) -> list[float]:
    """Return each run's mean loss of D over that of G, over the last third of training; nan where it is undefined."""
    both = [values(of_seeds, key, {"last_third": True}) for key in LOSSES]
    return [loss / other if other else math.nan for loss, other in zip(*both, strict=True)]


def _number(found: list[float]) -> float | None:
    return fmean(found) if found and all(map(math.isfinite, found)) else None


def _drawable(value: float | None) -> bool:
    return value is not None and value > 0  # both axes are logarithmic
