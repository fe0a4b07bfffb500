"""What the pages read of a study: its yaml, its runs' results, and single values of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from gan_experiments.reports.statistics import estimate

DOCS = Path(__file__).resolve().parents[2] / "docs"
STUDIES = DOCS.parent / "benchmarks" / "studies"
NOT_RUN = "No run has ended yet.\n"

Result = dict[str, Any]  # of one run
Runs = dict[str, list[Result]]  # by variant


def place(name: str) -> Path:
    """Return the directory of a study's results."""
    return DOCS / "results" / name


def load(name: str) -> tuple[dict[str, Any], Runs]:
    """Return the yaml of a study, and the results there are by variant."""
    study: Any = OmegaConf.to_container(OmegaConf.load(STUDIES / f"{name}.yaml"))
    runs: Runs = {}
    for variant in study["variants"]:
        paths = [place(name) / f"{variant}-s{seed}.json" for seed in seeds_of(study, variant)]
        runs[variant] = [json.loads(path.read_text()) for path in paths if path.exists()]
    return study, runs


def of_variant(study: dict[str, Any], variant: str) -> dict[str, Any]:
    """Return a variant as a mapping; it may be written as the list of its overrides."""
    written: Any = study["variants"][variant]
    return dict(written) if isinstance(written, dict) else {"overrides": written}


def seeds_of(study: dict[str, Any], variant: str) -> list[int]:
    """Return the seeds of a variant, its own or the study's."""
    return list(of_variant(study, variant).get("seeds", study["seeds"]))


def picture_of(name: str, variant: str, title: str) -> str:
    """Return the place of a picture of a variant's first seed, from docs/; empty where there is none."""
    study, runs = load(name)
    first = seeds_of(study, variant)[0]
    of_first = [run for run in runs[variant] if run["seed"] == first]
    if not of_first:
        return ""
    last = {"samples": f"{variant}-s{first}.png"}  # as studies before `pictures` name it
    file = of_first[0].get("pictures", last).get(title, "")
    return f"results/{name}/{file}" if file and (place(name) / file).exists() else ""


def runs_of(runs: Runs, variant: str) -> list[Result]:
    """Return the runs of a variant, which may be of another study, as STUDY/VARIANT."""
    other, _, name = variant.rpartition("/")
    return load(other)[1][name] if other else runs[variant]


def values(results: list[Result], key: str, claim: dict[str, Any] | None = None) -> list[float]:
    """Return a value of each run that has it: measured, or else at its end; nan where it is there and undefined.

    Of `curves` it is taken where a claim says `at_kimg: 60`, `min: true` or `last_third: true`.
    """
    found = [_value(result, key, claim or {}) for result in results]
    return [math.nan if value is None else float(value) for value, known in found if known]


def _value(result: Result, key: str, claim: dict[str, Any]) -> tuple[float | None, bool]:
    """Return a value, and whether there is any."""
    if claim.keys() & {"at_kimg", "min", "last_third"}:
        curve = result.get("curves", {}).get(key)
        return (_of_curve(curve, claim), True) if curve and curve["value"] else (None, False)
    if key in result["values"]:
        return result["values"][key]["value"], True
    for place in ("at_the_end", "inspection", "drawn"):
        if key in result.get(place, {}):
            return result[place][key], True
    return None, False


def _of_curve(curve: dict[str, Any], claim: dict[str, Any]) -> float | None:
    """Take one value of a curve; of one that was thinned, the lowest is that of all its points.

    At a number of kimg it is the last one by then: a network that is not trained for a while has none meanwhile.
    """
    points: list[tuple[float, float | None]] = list(zip(curve["kimg"], curve["value"], strict=True))
    if "at_kimg" in claim:
        return ([value for kimg, value in points if kimg <= claim["at_kimg"]] or [None])[-1]
    known = [(kimg, value) for kimg, value in points if value is not None and math.isfinite(value)]
    if len(known) < len(points):
        return None
    if claim.get("last_third"):
        found = curve.get("last_third", fmean(value for kimg, value in known if kimg >= points[-1][0] * 2 / 3))
    else:
        found = curve.get("min", min(value for _, value in known))
    return None if found is None else float(found)


def correlations(results: list[Result], first: str, second: str) -> list[float]:
    """Return for each run with both curves how they move together, less the straight trend of each (or nan)."""
    found = []
    for result in results:
        curves = [result.get("curves", {}).get(key) for key in (first, second)]
        if all(curve and len(curve["value"]) > 2 for curve in curves):
            by_kimg = [dict(zip(curve["kimg"], curve["value"], strict=True)) for curve in curves]
            common = sorted(by_kimg[0].keys() & by_kimg[1].keys())
            rows = np.array([[kimg, *(of[kimg] for of in by_kimg)] for kimg in common], dtype=float)
            found.append(_correlation(rows) if len(rows) > 2 and np.isfinite(rows).all() else math.nan)
    return found


def _correlation(rows: NDArray[Any]) -> float:
    """Return Pearson's correlation of columns 1 and 2 about their straight lines over column 0."""
    line = np.vstack([rows[:, 0], np.ones(len(rows))]).T
    rest = rows[:, 1:] - line @ np.linalg.lstsq(line, rows[:, 1:], rcond=None)[0]
    spread = float(np.sqrt((rest**2).sum(axis=0).prod()))
    return float((rest[:, 0] * rest[:, 1]).sum()) / spread if spread else math.nan


def over_seeds(values: list[float]) -> str:
    """Write the mean and the half-width of its 95% interval by Student's t."""
    if not values or not all(map(math.isfinite, values)):
        return "undefined"
    found = estimate(values)
    return short(found.mean) + ("" if found.half is None else f" ± {found.half:.2g}")


def made_by(name: str, runs: Runs) -> str:
    """Write by which command a study was run, when and where; empty where no run has ended."""
    every = [run for of_seeds in runs.values() for run in of_seeds]
    if not every:
        return f"\n`python benchmarks/study.py benchmarks/studies/{name}.yaml` runs all of it.\n"
    minutes = sum(run["seconds"] for run in every) / 60
    commits = ", ".join(sorted({f"`{run['commit'][:10]}`" for run in every}))
    dates = " to ".join(sorted({min(run["date"] for run in every), max(run["date"] for run in every)}))
    about = sorted({f"{run['machine']}, torch {run['torch']}" for run in every})
    return (
        f"\nMade by `python benchmarks/study.py benchmarks/studies/{name}.yaml`: {counted(len(every), 'run')}, "
        f"{minutes:.0f} minutes of training ({'; '.join(about)}; commit {commits}; {dates}); each run's "
        f"command and numbers, with their protocols, are in [docs/results/{name}](results/{name}).\n"
    )


def counted(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number} {what}{'s' * (number != 1)}"


def short(value: float) -> str:
    """Write a number with four digits."""
    return f"{value + 0.0:.4g}"  # no -0
