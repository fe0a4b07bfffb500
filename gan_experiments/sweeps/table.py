"""The jobs of a sweep in a table, best first."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.config.keys import flat
from gan_experiments.formatting import duration, print_table, say, short
from gan_experiments.sweeps.place import short_keys
from gan_experiments.sweeps.state import JOBS, Job


def ranked(jobs: Sequence[Job]) -> list[Job]:
    """Order jobs: the measured ones best first, within one measure; then the others as the sweep has them."""
    sizes = Counter(_measure(job) for job in jobs)

    def place(job: Job) -> tuple[bool, int, str, float, int]:
        value = job.objective
        if value is None or job.measure is None:
            return True, 0, "", 0.0, job.number
        return False, -sizes[_measure(job)], _measure(job), -value if job.measure["higher_is_better"] else value, 0

    return sorted(jobs, key=place)


def _measure(job: Job) -> str:
    """Return what a value must share with another to be comparable."""
    return "" if job.measure is None else json.dumps([job.measure["key"], job.measure["protocol"]], sort_keys=True)


def print_jobs(jobs: Sequence[Job], directory: Path) -> None:
    """Print the ranked table, what differs between measures, and below it the failed jobs with their errors."""
    order = ranked(jobs)
    measures = _headings(order)
    keys = list(dict.fromkeys(key for job in jobs for key in job.varying))
    names = short_keys(keys)
    values = [heading for heading, _ in measures.values()]
    places: Counter[str] = Counter()
    rows = []
    for job in order:
        measure = _measure(job)
        places[measure] += 1
        settings = [_short(job.varying.get(key, "")) for key in keys]
        measured = [short(job.objective) if measure == other else "" for other in measures]
        rows.append([places[measure] if measure else "", *settings, *measured, job.state, duration(job.seconds)])
    headers = ["#", *(names[key] for key in keys), *values, "state", "time"]
    print_table(headers, rows, title=str(directory), right=",".join(["#", "time", *values]))
    for heading, about in measures.values():
        say(f"{heading}: {about}")
    if older := sum(job.is_older for job in jobs):
        say(f"{older} of {len(jobs)} jobs were finished before.")
    for job in order:
        if job.error is not None:
            say(f"{job.name}: {job.error}")
            if job.traceback is not None:
                say(f"  Where: {directory / JOBS / job.name}.json")


def _headings(jobs: Sequence[Job]) -> dict[str, tuple[str, str]]:
    """Return each measure its heading and what it is: key, direction, and the facts in which it differs from others."""
    found = {_measure(job): job.measure for job in jobs if job.measure is not None}
    names = Counter(about["key"].partition("/")[0] for about in found.values())
    headings = {}
    for position, (measure, about) in enumerate(found.items()):
        name = about["key"].partition("/")[0]
        alike = [flat(its["protocol"]) for its in found.values() if its["key"] == about["key"]]
        own = flat(about["protocol"])
        differing = [fact for fact in own if len({json.dumps(facts.get(fact)) for facts in alike}) > 1]
        arrow, better = ("↑", "higher") if about["higher_is_better"] else ("↓", "lower")
        heading = f"{name} {arrow}" if names[name] == 1 else f"{name} {arrow} ({position + 1})"
        facts = "".join(f"; {fact}: {own[fact]}" for fact in differing)
        headings[measure] = (heading, f"{about['key']}, {better} is better, at its best during the run{facts}")
    return headings


def _short(value: str) -> str:
    """Round what a sampler has drawn; the job's file has all its digits."""
    try:
        return value if len(value) <= 9 else f"{float(value):.4g}"
    except ValueError:
        return value
