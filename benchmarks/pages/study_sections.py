"""The part of a page that shows a study: its values over seeds, what it says of each claim, the alarms that rang."""

from __future__ import annotations

import json
import math
from collections import Counter

from findings import findings_table
from study_results import NOT_RUN, Result, Runs, counted, load, made_by, over_seeds, picture_of, place, short, values

NO_EXTRACTOR = ("/discriminator", "/pixels")
ANCHORS = ("floor", "ceiling")
NEITHER = ("center_",)  # is good by itself: the nearer to the floor, the better


def study_section(name: str) -> str:
    """Write a table of values over seeds, one of claims, and how it was made."""
    study, runs = load(name)
    if not any(run["values"] for of_seeds in runs.values() for run in of_seeds):
        return NOT_RUN
    parts = [_values(name, runs), findings_table(study, runs), _pictures(name, runs), made_by(name, runs)]
    return "\n".join(part for part in parts if part)


def values_section(name: str) -> str:
    """Write a table of values over seeds alone."""
    _, runs = load(name)
    if not any(runs.values()):
        return NOT_RUN
    measured = any(run["values"] for of_seeds in runs.values() for run in of_seeds)
    return _values(name, runs) if measured else "Nothing is measured in these runs.\n"


def alarms_section(name: str) -> str:
    """Write a table of the alarms that rang in each variant."""
    _, runs = load(name)
    if not any(runs.values()):
        return NOT_RUN
    lines = ["| runs | seeds | alarms | FID in the run, at its end |", "|---|---|---|---|"]
    for variant, of_seeds in runs.items():
        if not of_seeds:
            lines.append(f"| {variant} | 0 | not run yet | |")
            continue
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
    lines.append(f"\nAlarms rang in {ringing} of {len(every)} runs. The FIDs are of one draw of samples.\n")
    return "\n".join(lines)


def made_section(name: str) -> str:
    """Write how a study was made."""
    return made_by(name, load(name)[1])


def _values(name: str, runs: Runs) -> str:
    """Write a table for the variants of each extractor; those that asked none stand beside the first."""
    first = _extractor([run for of_seeds in runs.values() for run in of_seeds])
    by_extractor: dict[str, Runs] = {}
    for variant, of_seeds in runs.items():
        if of_seeds:
            by_extractor.setdefault(_extractor(of_seeds) or first, {})[variant] = of_seeds
    return "\n".join(_table(name, extractor, of) for extractor, of in by_extractor.items())


def _extractor(runs: list[Result]) -> str:
    """Name the first extractor of some runs; empty where none was asked."""
    keys = (key for run in runs for key in run["values"])
    return next((key.partition("/")[2] for key in keys if not key.endswith(NO_EXTRACTOR)), "")


def _table(name: str, extractor: str, runs: Runs) -> str:
    every = [run for of_seeds in runs.values() for run in of_seeds if run["values"]]
    keys = dict.fromkeys(key for run in every for key in run["values"] if not key.startswith("class_fid_"))
    heads = [f"{variant} ({_count(of_seeds)})" for variant, of_seeds in runs.items()]
    lines = [
        f"| {' | '.join(['', *heads, 'floor', 'ceiling', 'better'])} |",
        f"|---|{'---|' * len(runs)}---|---|---|",
    ]
    differing: set[str] = set()
    anchored = False
    for key in keys:
        metric, _, measure = key.partition("/")
        entries = [run["values"][key] for run in every if key in run["values"]]
        alike = len({entry["protocol"] for entry in entries}) == 1
        shown = f"`{metric if measure == extractor else key}`" + "†" * (not alike)
        differing |= set() if alike else _differing(name, {entry["protocol"] for entry in entries})
        cells = [_cell(of_seeds, key) for of_seeds in runs.values()]
        anchors = [short(entries[0][anchor]) if alike and anchor in entries[0] else "" for anchor in ANCHORS]
        anchored |= any(anchors)
        if anchors[0] and entries[0].get("floor_count", math.inf) < (every[0]["num_samples"] or 0):
            anchors[0] += "*"
        better = "" if metric.startswith(NEITHER) else "higher" if entries[0]["higher_is_better"] else "lower"
        lines.append(f"| {' | '.join([shown, *cells, *anchors, better])} |")
    absent = {key.partition("/")[0]: why for run in every for key, why in run["not_applicable"].items()}
    lines += [f"| `{metric}` {'| not applicable ' * len(runs)}| | | |" for metric in absent]
    notes = [f"`{metric}` is not applicable: {why}." for metric, why in absent.items()]
    if anchored:
        notes.append("Floor: other real images in place of samples; ceiling: noise in their place.")
    table = "\n".join(lines)
    if "*" in table:
        notes.append("* of fewer images than samples, which makes a FID larger.")
    if "†" in table:
        notes.append(f"† not the same measure in all columns: protocols differ in {', '.join(sorted(differing))}.")
    return f"{table}\n\n{_how(every, extractor)} {' '.join(notes)}\n"


def _cell(of_seeds: list[Result], key: str) -> str:
    """Write a variant's value, and in how many runs it was measured if not in all; empty where in none."""
    found = values([run for run in of_seeds if key in run["values"]], key)
    some = f" ({len(found)} of {counted(len(of_seeds), 'run')})" if len(found) < len(of_seeds) else ""
    return over_seeds(found) + some if found else ""


def _differing(name: str, protocols: set[str]) -> set[str]:
    """Name the entries in which protocols differ."""
    known = json.loads((place(name) / "protocols.json").read_text())
    found = [known[short] for short in protocols]
    keys = {key for protocol in found for key in protocol}
    return {key.replace("_", " ") for key in keys if len({json.dumps(of.get(key)) for of in found}) > 1}


def _how(runs: list[Result], extractor: str) -> str:
    sampled = [run for run in runs if any(not key.endswith("/discriminator") for key in run["values"])]
    samples = " or ".join(sorted({f"{run['num_samples']:,}" for run in sampled if run["num_samples"]}))
    draws = sorted({entry["num_seeds"] for run in sampled for entry in run["values"].values()})
    parts = ["Mean over training seeds and its 95% interval by Student's t"]
    if samples:
        seeds = " or ".join(map(str, draws[:-1])) + " or " * (len(draws) > 1) + counted(draws[-1], "sampling seed")
        parts.append(f"{samples} samples for each of {seeds} of a run")
    if extractor:
        parts.append(f"extractor `{extractor}` where no other is named")
    return "; ".join(parts) + "."


def _pictures(name: str, runs: Runs) -> str:
    places = {variant: picture_of(name, variant, "samples") for variant in runs}
    shown = {variant: path for variant, path in places.items() if path}
    if not shown:
        return ""
    cells = " | ".join(f"![Samples of {variant}]({path})" for variant, path in shown.items())
    return f"| {' | '.join(shown)} |\n|{'---|' * len(shown)}\n| {cells} |\n\nLast samples of the first seed.\n"


def _count(runs: list[Result]) -> str:
    failed = sum(run["status"] == "failed" for run in runs)
    return counted(len(runs), "seed") + f", {failed} failed" * bool(failed)
