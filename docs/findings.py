"""The findings of a study: each claim beside its values over seeds, and what they say of it.

A claim of a study's yaml is one of

    {claim: ..., lower: [VARIANT, KEY], than: [VARIANT, KEY]}   two means; paired by seed within one variant
    {claim: ..., of: [VARIANT, KEY], above: 0.9}                one mean against a number; or below: 0.9
    {claim: ..., alarm: NAME, in: VARIANT}                      an alarm rings; no_alarm: NAME says that it does not

KEY may be followed by a second one, which is subtracted from it; VARIANT may be of another study, as STUDY/VARIANT.
With `at_kimg: 60`, `min: true` or `last_third: true` the values are those of the study's `curves`; with
`correlation: true`, of two keys, it is how their curves move together about their straight trends (-1 to 1).
`ours: true` marks a claim that the report does not make.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from scipy.special import stdtr  # type: ignore[import-untyped]
from study_results import NOT_RUN, Result, Runs, correlations, counted, load, over_seeds, runs_of, seeds_of, values

from gan_experiments.reporting.statistics import holm, welch

LEVEL = 0.05
VERDICTS = ("holds", "does not hold", "the opposite holds", "inconclusive", "not measured")
UNLIKE = "†"  # of measures whose protocols differ
Claim = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What is said of one claim: by a test, whose verdict waits for the others' p, or else by `verdict`.

    `read_off`: the verdict follows from values that do not vary.
    """

    claim: str
    measure: str
    value: str
    verdict: str = ""
    p: float | None = None
    as_claimed: bool = False
    read_off: bool = False


def findings_section(name: str) -> str:
    """Write the table of a study's findings."""
    study, runs = load(name)
    return findings_table(study, runs) if any(runs.values()) else NOT_RUN


def findings_table(study: dict[str, Any], runs: Runs) -> str:
    """Write a row for each claim, empty where the study makes none."""
    found = [_finding(claim, runs) for claim in study.get("claims", [])]
    if not found:
        return ""
    tested = [finding.p for finding in found if finding.p is not None]
    adjusted = iter(holm(tested))
    lines = ["| claim | measure | value | p | verdict |", "|---|---|---|---|---|"]
    verdicts: dict[str, list[str]] = {"of the report": [], "of our own": []}
    for claim, finding in zip(study["claims"], found, strict=True):
        p, verdict = "", finding.verdict
        if finding.p is not None:
            p, verdict = f"{finding.p:.2g}", _verdict(next(adjusted), finding.as_claimed)
        ours = claim.get("ours")
        said = f"{finding.claim} (ours)" if ours else finding.claim
        lines.append(f"| {said} | {finding.measure} | {finding.value} | {p} | {verdict} |")
        verdicts["of our own" if ours else "of the report"].append(verdict)
    notes = ["Value: mean over training seeds ± its 95% interval by Student's t."]
    if tested:
        notes.append(
            "p: two-sided t-test over them (Welch's for two variants, paired within one, of one mean against a "
            f"number); a claim is decided where it is significant at {LEVEL:.0%} by Holm's procedure over the "
            f"{counted(len(tested), 'claim')} with a p."
        )
    if any(finding.read_off for finding in found):
        notes.append("Without p where no value differs from run to run: such a claim is read off the values.")
    if any(finding.measure.startswith("alarm ") for finding in found):
        notes.append("An alarm decides where it rings in all runs or in none.")
    if any(UNLIKE in finding.value for finding in found):
        notes.append(f"{UNLIKE} not quite one measure: the protocols of the two differ.")
    summary = f"**{_summary(verdicts)}**{_missing(study, runs)}"
    return "\n".join([summary, "", *lines, "", " ".join(notes), ""])


def _summary(verdicts: dict[str, list[str]]) -> str:
    """Say how many claims are decided, and which way."""
    parts = []
    for whose, of_claims in verdicts.items():
        if of_claims:
            counts = Counter(map(_kind, of_claims))
            said = ", ".join(f"{counts[kind]} × {kind}" for kind in VERDICTS if counts[kind])
            stated = f" {whose}" if all(verdicts.values()) else ""
            parts.append(f"{counted(len(of_claims), 'claim')}{stated}: {said}.")
    return " ".join(parts)


def _kind(verdict: str) -> str:
    return verdict if verdict in VERDICTS else "inconclusive"


def _missing(study: dict[str, Any], runs: Runs) -> str:
    """Say how many runs these findings rest on while some have not ended; empty at the end."""
    planned = sum(len(seeds_of(study, variant)) for variant in study["variants"])
    ended = sum(map(len, runs.values()))
    return f" {ended} of {planned} runs have ended so far." if ended < planned else ""


def _verdict(adjusted: float, as_claimed: bool) -> str:
    if adjusted >= LEVEL:
        return "inconclusive"
    return "holds" if as_claimed else "the opposite holds"


def _finding(claim: Claim, runs: Runs) -> Finding:
    """Judge a claim by the form it has."""
    forms: dict[str, Callable[[Claim, Runs], Finding]] = {
        "lower": _of_two, "of": _of_one, "alarm": _of_alarm, "no_alarm": _of_alarm,
    }  # fmt: skip
    for key, judge in forms.items():
        if key in claim:
            return judge(claim, runs)
    raise ValueError(f"the claim {claim['claim']!r} has none of the keys {', '.join(forms)}")


def _of_two(claim: Claim, runs: Runs) -> Finding:
    low, high = _side(claim["lower"], claim, runs), _side(claim["than"], claim, runs)
    low_variant, high_variant = claim["lower"][0], claim["than"][0]
    where = f"{_named(claim['lower'], claim)} of {low_variant} below {_named(claim['than'], claim)} of {high_variant}"
    value = f"{_shown(low)} against {_shown(high)}" if low or high else ""
    if low and len(low) == len(high):
        value = f"{over_seeds(low)} against {over_seeds(high)} ({counted(len(low), 'run')} each)"
    if not _alike(claim, runs):
        value += f" {UNLIKE}"
    undecided = _undecided(low, high)
    if low_variant == high_variant:  # seed by seed
        pairs = [
            zip(_of_run(claim["lower"][1:], claim, run), _of_run(claim["than"][1:], claim, run), strict=False)
            for run in runs_of(runs, low_variant)
        ]
        differences = [of_high - of_low for pair in pairs for of_low, of_high in pair]
        if not undecided and len(differences) < max(len(low), len(high)):
            undecided = "inconclusive: not measured in every run"
        sides = [differences]
    else:
        sides, differences = [low, high], []
    if undecided:
        return Finding(claim["claim"], where, value, undecided)
    above = fmean(high) - fmean(low)
    if all(len(set(side)) == 1 for side in sides):
        return Finding(claim["claim"], where, value, _read_off(above), read_off=True)
    p = against(differences, 0) if differences else welch(low, high)
    return Finding(claim["claim"], where, value, p=p, as_claimed=above > 0)


def _of_one(claim: Claim, runs: Runs) -> Finding:
    found = _side(claim["of"], claim, runs)
    side, number = ("above", claim["above"]) if "above" in claim else ("below", claim["below"])
    where = f"{_named(claim['of'], claim)} of {claim['of'][0]} {side} {number:g}"
    undecided = _undecided(found)
    if undecided:
        return Finding(claim["claim"], where, _shown(found), undecided)
    above = (fmean(found) - number) * (1 if side == "above" else -1)
    if len(set(found)) == 1:
        return Finding(claim["claim"], where, _shown(found), _read_off(above), read_off=True)
    return Finding(claim["claim"], where, _shown(found), p=against(found, number), as_claimed=above > 0)


def _read_off(above: float) -> str:
    """Judge values that do not vary by how far they lie on the side that is claimed."""
    return "holds" if above > 0 else "the opposite holds" if above < 0 else "does not hold"


def _of_alarm(claim: Claim, runs: Runs) -> Finding:
    """Judge by how many runs an alarm rang in."""
    alarm = claim.get("alarm") or claim["no_alarm"]
    of_seeds = runs_of(runs, claim["in"])
    first = [[said["kimg"] for said in run["alarms"] if said["alarm"] == alarm] for run in of_seeds]
    ringing = [min(places) for places in first if places]
    where = f"alarm `{alarm}` in {claim['in']}"
    if not of_seeds:
        return Finding(claim["claim"], where, "", "not measured")
    value = f"rang in {len(ringing)} of {counted(len(of_seeds), 'run')}"
    if ringing:
        value += f", first at {min(ringing):,.0f} kimg"
    if len(of_seeds) < 2:
        return Finding(claim["claim"], where, value, "inconclusive: one run tells no spread")
    if 0 < len(ringing) < len(of_seeds):
        return Finding(claim["claim"], where, value, "inconclusive")
    return Finding(claim["claim"], where, value, "holds" if bool(ringing) == ("alarm" in claim) else "does not hold")


def _side(side: list[str], claim: Claim, runs: Runs) -> list[float]:
    """Give the values of [variant, key] over seeds, or of [variant, key, the key that is subtracted]."""
    return [value for run in runs_of(runs, side[0]) for value in _of_run(side[1:], claim, run)]


def _of_run(keys: list[str], claim: Claim, run: Result) -> list[float]:
    """Give a run's value of `_side`; none where it was not measured."""
    if claim.get("correlation"):
        return correlations([run], keys[0], keys[1])
    parts = [values([run], key, claim) for key in keys]
    return [parts[0][0] - sum(subtracted[0] for subtracted in parts[1:])] if all(parts) else []


def _alike(claim: Claim, runs: Runs) -> bool:
    """Tell whether the sides of a claim about the same keys had one protocol for each, as far as they are known."""
    (low, *low_keys), (high, *high_keys) = claim["lower"], claim["than"]
    every = [run for side in (low, high) for run in runs_of(runs, side)]
    protocols = [{run["values"].get(key, {}).get("protocol") for run in every} - {None} for key in low_keys]
    return low_keys != high_keys or all(len(of_key) < 2 for of_key in protocols)


def _named(side: list[str], claim: Claim) -> str:
    """Name what is measured; `fid` where the name of its extractor is that of the classifier."""
    names = [key.partition("/")[0] if key.endswith("_classifier") else key for key in side[1:]]
    taken = {"at_kimg": f", its last by {claim.get('at_kimg')} kimg", "min": ", its lowest"}
    taken["last_third"] = ", mean of the last third"
    if claim.get("correlation"):
        return f"correlation of `{names[0]}` and `{names[1]}` about their trends,"
    return " less ".join(f"`{name}`" for name in names) + "".join(said for key, said in taken.items() if key in claim)


def _shown(found: list[float]) -> str:
    return f"{over_seeds(found)} ({counted(len(found), 'run')})" if found else "not measured"


def _undecided(*sides: list[float]) -> str:
    """Say why values decide nothing; empty if they may."""
    if not all(sides):
        return "not measured" if not any(sides) else "inconclusive: one side is not measured"
    undefined = sum(not math.isfinite(value) for side in sides for value in side)
    if undefined:
        return f"inconclusive: undefined in {undefined} of {sum(map(len, sides))} runs"
    return "inconclusive: one run tells no spread" if min(map(len, sides)) < 2 else ""


def against(found: list[float], number: float) -> float:
    """Give the two-sided p value of Student's t test of a mean against a number, of values that are not all alike."""
    mean = fmean(found)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in found) / (len(found) - 1) / len(found))
    return float(2 * stdtr(len(found) - 1, -abs(mean - number) / error))
