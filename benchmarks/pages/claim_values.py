"""The values that a claim of a study is about, and how they are named and written."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

from scipy.special import stdtr  # type: ignore[import-untyped]
from study_results import Result, Runs, correlations, counted, over_seeds, runs_of, short, values

Claim = dict[str, Any]


def side_values(side: list[str], claim: Claim, runs: Runs) -> list[float]:
    """Return the values of [variant, key] over seeds, or of [variant, key, the key that is subtracted]."""
    return [value for run in runs_of(runs, side[0]) for value in of_run(side[1:], claim, run)]


def of_run(keys: list[str], claim: Claim, run: Result) -> list[float]:
    """Return a run's value of `side_values`; none where it was not measured."""
    if claim.get("correlation"):
        return correlations([run], keys[0], keys[1])
    parts = [values([run], key, claim) for key in keys]
    return [parts[0][0] - sum(subtracted[0] for subtracted in parts[1:])] if all(parts) else []


def alike(claim: Claim, runs: Runs) -> bool:
    """Return whether the sides of a claim about the same keys had one protocol for each, as far as they are known."""
    (low, *low_keys), (high, *high_keys) = claim["lower"], claim["than"]
    every = [run for side in (low, high) for run in runs_of(runs, side)]
    protocols = [{run["values"].get(key, {}).get("protocol") for run in every} - {None} for key in low_keys]
    return low_keys != high_keys or all(len(of_key) < 2 for of_key in protocols)


def anchors(side: list[str], claim: Claim, runs: Runs) -> str:
    """Return what other real images and noise score in place of samples; empty where that was not measured so."""
    variant, key, *others = side
    entries = [run["values"].get(key, {}) for run in runs_of(runs, variant)]
    anchored = [entry for entry in entries if entry.get("floor") is not None and entry.get("ceiling") is not None]
    if others or not anchored or claim.keys() & {"at_kimg", "min", "last_third", "correlation"}:
        return ""
    return f"real {short(anchored[0]['floor'])}, noise {short(anchored[0]['ceiling'])}"


def named(side: list[str], claim: Claim) -> str:
    """Name what is measured; `fid` where the name of its extractor is that of the classifier."""
    names = [key.partition("/")[0] if key.endswith("_classifier") else key for key in side[1:]]
    taken = {"at_kimg": f", its last by {claim.get('at_kimg')} kimg", "min": ", its lowest"}
    taken["last_third"] = ", mean of the last third"
    if claim.get("correlation"):
        return f"correlation of `{names[0]}` and `{names[1]}` about their trends,"
    return " less ".join(f"`{name}`" for name in names) + "".join(said for key, said in taken.items() if key in claim)


def shown(found: list[float]) -> str:
    """Write the values of one side."""
    return f"{over_seeds(found)} ({counted(len(found), 'run')})" if found else "not measured"


def undecided(*sides: list[float]) -> str:
    """Return why values decide nothing; empty if they may."""
    if not all(sides):
        return "not measured" if not any(sides) else "inconclusive: one side is not measured"
    undefined = sum(not math.isfinite(value) for side in sides for value in side)
    if undefined:
        return f"inconclusive: undefined in {undefined} of {sum(map(len, sides))} runs"
    return "inconclusive: one run tells no spread" if min(map(len, sides)) < 2 else ""


def against(found: list[float], number: float) -> float:
    """Return the two-sided p value of Student's t test of a mean against a number, of values that are not all alike."""
    mean = fmean(found)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in found) / (len(found) - 1) / len(found))
    return float(2 * stdtr(len(found) - 1, -abs(mean - number) / error))
