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

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from claim_values import Claim, against, alike, anchors, named, of_run, shown, side_values, undecided
from study_results import NOT_RUN, Runs, counted, load, over_seeds, runs_of, seeds_of

from gan_experiments.reports.statistics import holm, welch

LEVEL = 0.05
VERDICTS = ("holds", "does not hold", "the opposite holds", "inconclusive", "not measured")
UNLIKE = "†"  # of measures whose protocols differ


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
            of_family = next(adjusted)
            p, verdict = f"{of_family:.2g}", _verdict(of_family, finding.as_claimed)
        ours = claim.get("ours")
        said = f"{finding.claim} (ours)" if ours else finding.claim
        lines.append(f"| {said} | {finding.measure} | {finding.value} | {p} | {verdict} |")
        verdicts["of our own" if ours else "of the report"].append(verdict)
    notes = ["Value: mean over training seeds ± its 95% interval by Student's t."]
    if tested:
        notes.append(
            "p: two-sided t-test over them (Welch's for two variants, paired within one, of one mean against a "
            f"number), adjusted by Holm's procedure over the {counted(len(tested), 'claim')} with a p; below "
            f"{LEVEL:g} a claim is decided."
        )
    if any("real " in finding.value for finding in found):
        notes.append("real, noise: what other real images and noise score in place of samples.")
    if any(finding.read_off for finding in found):
        notes.append("Without p where no value differs from run to run: such a claim is read off the values.")
    if any(finding.measure.startswith("alarm ") for finding in found):
        notes.append("An alarm decides where it rings in all runs or in none.")
    if any(UNLIKE in finding.value for finding in found):
        notes.append(f"{UNLIKE} not quite one measure: the protocols of the two differ.")
    summary = f"**{_summary(verdicts)}**{_missing(study, runs)}"
    return "\n".join([summary, "", *lines, "", " ".join(notes), ""])


def _summary(verdicts: dict[str, list[str]]) -> str:
    """Return how many claims are decided, and which way."""
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
    """Return how many runs these findings rest on while some have not ended; empty at the end."""
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
    low, high = side_values(claim["lower"], claim, runs), side_values(claim["than"], claim, runs)
    low_variant, high_variant = claim["lower"][0], claim["than"][0]
    where = f"{named(claim['lower'], claim)} of {low_variant} below {named(claim['than'], claim)} of {high_variant}"
    value = f"{shown(low)} against {shown(high)}" if low or high else ""
    if low and len(low) == len(high):
        value = f"{over_seeds(low)} against {over_seeds(high)} ({counted(len(low), 'run')} each)"
    if not alike(claim, runs):
        value += f" {UNLIKE}"
    of_low, of_high = anchors(claim["lower"], claim, runs), anchors(claim["than"], claim, runs)
    both = of_low and of_high and of_low != of_high
    said = f"{low_variant}: {of_low}; {high_variant}: {of_high}" if both else of_low or of_high
    value += f"; {said}" if said else ""
    reason = undecided(low, high)
    if low_variant == high_variant:  # seed by seed
        pairs = [
            zip(of_run(claim["lower"][1:], claim, run), of_run(claim["than"][1:], claim, run), strict=False)
            for run in runs_of(runs, low_variant)
        ]
        differences = [of_high - of_low for pair in pairs for of_low, of_high in pair]
        if not reason and len(differences) < max(len(low), len(high)):
            reason = "inconclusive: not measured in every run"
        sides = [differences]
    else:
        sides, differences = [low, high], []
    if reason:
        return Finding(claim["claim"], where, value, reason)
    above = fmean(high) - fmean(low)
    if all(len(set(side)) == 1 for side in sides):
        return Finding(claim["claim"], where, value, _read_off(above), read_off=True)
    p = against(differences, 0) if differences else welch(low, high)
    return Finding(claim["claim"], where, value, p=p, as_claimed=above > 0)


def _of_one(claim: Claim, runs: Runs) -> Finding:
    found = side_values(claim["of"], claim, runs)
    side, number = ("above", claim["above"]) if "above" in claim else ("below", claim["below"])
    where = f"{named(claim['of'], claim)} of {claim['of'][0]} {side} {number:g}"
    said = anchors(claim["of"], claim, runs)
    value = f"{shown(found)}; {said}" if said else shown(found)
    reason = undecided(found)
    if reason:
        return Finding(claim["claim"], where, value, reason)
    above = (fmean(found) - number) * (1 if side == "above" else -1)
    if len(set(found)) == 1:
        return Finding(claim["claim"], where, value, _read_off(above), read_off=True)
    return Finding(claim["claim"], where, value, p=against(found, number), as_claimed=above > 0)


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
