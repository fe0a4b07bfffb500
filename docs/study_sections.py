"""The part of a page that shows a study: its values over seeds, what it says of each claim, the alarms that rang."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from scipy import stats  # type: ignore[import-untyped]

from gan_experiments.reporting.statistics import estimate, holm, welch

DOCS = Path(__file__).resolve().parent
STUDIES = DOCS.parent / "benchmarks" / "studies"
LEVEL = 0.05
NOT_RUN = "No run has ended yet.\n"

Runs = dict[str, list[dict[str, Any]]]  # by variant


def study_section(name: str) -> str:
    """Write a table of values over seeds, one of claims, and how it was made."""
    study, runs = load(name)
    if not any(run["values"] for of_seeds in runs.values() for run in of_seeds):
        return NOT_RUN
    parts = [_values(runs), _claims(study, runs), _pictures(name, runs), _made_by(name, runs)]
    return "\n".join(part for part in parts if part)


def alarms_section(name: str) -> str:
    """Write a table of the alarms that rang in each variant."""
    _, runs = load(name)
    if not any(runs.values()):
        return NOT_RUN
    lines = ["| runs | seeds | alarms | FID at the end |", "|---|---|---|---|"]
    for variant, of_seeds in runs.items():
        rung = Counter(alarm["alarm"] for run in of_seeds for alarm in run["alarms"])
        first = {
            alarm: min(said["kimg"] for run in of_seeds for said in run["alarms"] if said["alarm"] == alarm)
            for alarm in rung
        }
        said = ", ".join(f"{alarm} {count} × (first at {first[alarm]:.0f} kimg)" for alarm, count in rung.items())
        fids = [value for run in of_seeds for key, value in run["at_the_end"].items() if key.startswith("fid/")]
        failed = sum(run["status"] != "finished" for run in of_seeds)
        ended = ", ".join(short(value) for value in fids) + (f" ({failed} failed)" if failed else "")
        lines.append(f"| {variant} | {len(of_seeds)} | {said or 'none'} | {ended} |")
    every = [run for of_seeds in runs.values() for run in of_seeds]
    ringing = sum(bool(run["alarms"]) for run in every)
    lines.append(f"\nAlarms rang in {ringing} of {len(every)} runs.\n")
    return "\n".join(lines) + _made_by(name, runs)


def load(name: str) -> tuple[dict[str, Any], Runs]:
    """Give the yaml of a study, and the results there are by variant."""
    study: Any = OmegaConf.to_container(OmegaConf.load(STUDIES / f"{name}.yaml"))
    runs: Runs = {}
    for variant in study["variants"]:
        paths = [DOCS / "results" / name / f"{variant}-s{seed}.json" for seed in study["seeds"]]
        runs[variant] = [json.loads(path.read_text()) for path in paths if path.exists()]
    return study, runs


def _values(runs: Runs) -> str:
    every = [run for of_seeds in runs.values() for run in of_seeds if run["values"]]
    keys = dict.fromkeys(key for run in every for key in run["values"] if not key.startswith("class_fid_"))
    first = next(iter(keys)).partition("/")[2]
    heads = [f"{variant} ({_count(of_seeds)})" for variant, of_seeds in runs.items()]
    lines = [
        f"| {' | '.join(['', *heads, 'floor', 'ceiling', 'better'])} |",
        f"|---|{'---|' * len(runs)}---|---|---|",
    ]
    for key in keys:
        metric, _, measure = key.partition("/")
        entries = [run["values"][key] for run in every if key in run["values"]]
        alike = len({entry["protocol"] for entry in entries}) == 1
        name = f"`{metric if measure == first else key}`" + "†" * (not alike)
        cells = [over_seeds(_of(of_seeds, key)) for of_seeds in runs.values()]
        anchors = [short(entries[0][name]) if alike and name in entries[0] else "" for name in ("floor", "ceiling")]
        if anchors[0] and entries[0].get("floor_count", math.inf) < every[0]["num_samples"]:
            anchors[0] += "*"
        better = "higher" if entries[0]["higher_is_better"] else "lower"
        lines.append(f"| {' | '.join([name, *cells, *anchors, better])} |")
    absent = {key.partition("/")[0]: why for run in every for key, why in run["not_applicable"].items()}
    lines += [f"| `{metric}` {'| not applicable ' * len(runs)}| | | |" for metric in absent]
    notes = [f"`{metric}` is not applicable: {why}." for metric, why in absent.items()]
    table = "\n".join(lines)
    if "*" in table:
        notes.append("* of fewer images than samples, which makes a FID larger.")
    if "†" in table:
        notes.append("† depends on the training images too, which are not the same here.")
    return f"{table}\n\n{_how(every, first)} {' '.join(notes)}\n"


def _how(runs: list[dict[str, Any]], extractor: str) -> str:
    samples = " or ".join(sorted({f"{run['num_samples']:,}" for run in runs}))
    draws = " or ".join(sorted({str(entry["num_seeds"]) for run in runs for entry in run["values"].values()}))
    return (
        f"Mean over training seeds and its 95% interval by Student's t; {samples} samples for each of {draws} sampling "
        f"seeds of a run; extractor `{extractor}` where no other is named."
    )


def _claims(study: dict[str, Any], runs: Runs) -> str:
    rows: list[tuple[str, str, bool, float | None]] = []
    for claim in study.get("claims", []):
        (low_variant, low_key), (high_variant, high_key) = claim["lower"], claim["than"]
        low, high = _of(runs[low_variant], low_key), _of(runs[high_variant], high_key)
        if min(len(low), len(high)) < 2:
            continue
        if not all(math.isfinite(value) for value in (*low, *high)):
            rows.append((claim["claim"], "undefined for some runs", False, None))
            continue
        p = welch(low, high) if low_variant != high_variant else _paired(low, high)
        where = [f"`{key.partition('/')[0]}` of {variant}" for variant, key in (claim["lower"], claim["than"])]
        rows.append((claim["claim"], f"{where[0]} below {where[1]}", sum(low) / len(low) < sum(high) / len(high), p))
    if not rows:
        return ""
    lines = ["| claim | measure | p | |", "|---|---|---|---|"]
    adjusted = holm([1.0 if row[3] is None else row[3] for row in rows])
    for (claim, measure, as_claimed, p), after in zip(rows, adjusted, strict=True):
        verdict = "inconclusive" if after >= LEVEL else "holds" if as_claimed else "the opposite holds"
        lines.append(f"| {claim} | {measure} | {'' if p is None else f'{p:.2g}'} | {verdict} |")
    return "\n".join(lines) + (
        "\n\np: Welch's two-sided t-test over training seeds (paired within one variant); a claim is decided where "
        f"it is significant at {LEVEL:.0%} by Holm's procedure over the {len(rows)} claims.\n"
    )


def _paired(low: list[float], high: list[float]) -> float | None:
    """Give the two-sided p value of Student's t test of the differences; None where they do not vary."""
    p = float(stats.ttest_rel(low, high).pvalue)
    return p if math.isfinite(p) else None


def _pictures(name: str, runs: Runs) -> str:
    shown = [variant for variant in runs if (DOCS / "results" / name / f"{variant}-s0.png").exists()]
    if not shown:
        return ""
    cells = " | ".join(f"![Samples of {variant}](results/{name}/{variant}-s0.png)" for variant in shown)
    return f"| {' | '.join(shown)} |\n|{'---|' * len(shown)}\n| {cells} |\n\nLast samples of the first seed.\n"


def _made_by(name: str, runs: Runs) -> str:
    every = [run for of_seeds in runs.values() for run in of_seeds]
    minutes = sum(run["seconds"] for run in every) / 60
    commits = ", ".join(sorted({f"`{run['commit'][:10]}`" for run in every}))
    dates = " to ".join(sorted({min(run["date"] for run in every), max(run["date"] for run in every)}))
    about = sorted({f"{run['machine']}, torch {run['torch']}" for run in every})
    return (
        f"\nMade by `python benchmarks/study.py benchmarks/studies/{name}.yaml`: {len(every)} runs, "
        f"{minutes:.0f} minutes of training ({'; '.join(about)}; commit {commits}; {dates}); each run's "
        f"command and numbers, with their protocols, are in [docs/results/{name}](results/{name}).\n"
    )


def _of(runs: list[dict[str, Any]], key: str) -> list[float]:
    values = [run["values"][key]["value"] for run in runs if key in run["values"]]
    return [math.nan if value is None else float(value) for value in values]


def _count(runs: list[dict[str, Any]]) -> str:
    failed = sum(run["status"] == "failed" for run in runs)
    return f"{len(runs)} seeds" + f", {failed} failed" * bool(failed)


def over_seeds(values: list[float]) -> str:
    """Write the mean and the half-width of its 95% interval by Student's t."""
    if not values or not all(map(math.isfinite, values)):
        return "undefined"
    found = estimate(values)
    return short(found.mean) + ("" if found.half is None else f" ± {found.half:.2g}")


def short(value: float) -> str:
    """Write a number with four digits."""
    return f"{value + 0.0:.4g}"  # no -0
