"""The jobs of a sweep in a table, best first."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.config.keys import flat, short_keys
from gan_experiments.formatting import duration, print_table, say, short
from gan_experiments.sweeps.state import JOBS, Job
from gan_experiments.types import MetricValue

Measure = tuple[str, str]
"""What two values must share to be comparable: key and protocol."""


def ranked(jobs: Sequence[Job]) -> list[Job]:
    """Order jobs: the measured ones best first, within one measure; then the others as the sweep has them."""
    sizes = Counter(_measure(job.best) for job in jobs if job.best is not None)

    def sort_key(job: Job) -> tuple[bool, int, Measure, float, int]:
        if job.best is None or job.best.value is None:
            return True, 0, ("", ""), 0.0, job.number
        measure, sign = _measure(job.best), -1 if job.best.spec.higher_is_better else 1
        return False, -sizes[measure], measure, sign * job.best.value, 0

    return sorted(jobs, key=sort_key)


def _measure(value: MetricValue) -> Measure:
    return value.key, value.protocol_hash


def print_jobs(jobs: Sequence[Job], directory: Path) -> None:
    """Print the ranked table, what differs between measures, and below it the failed jobs with their errors."""
    order = ranked(jobs)
    measures = _describe_measures(order)
    columns = [heading for heading, _ in measures.values()]
    keys = list(dict.fromkeys(key for job in jobs for key in job.varying))
    ranks: Counter[Measure] = Counter()
    rows = []
    for job in order:
        measure = None if job.best is None else _measure(job.best)
        if measure is not None:
            ranks[measure] += 1
        settings = [_rounded(job.varying.get(key, "")) for key in keys]
        values = [short(job.objective) if measure == other else "" for other in measures]
        rank = "" if measure is None else ranks[measure]
        rows.append([rank, *settings, *values, job.state, duration(job.seconds)])
    headers = ["#", *short_keys(keys), *columns, "state", "time"]
    print_table(headers, rows, title=str(directory), right=",".join(["#", "time", *columns]))
    for heading, description in measures.values():
        say(f"{heading}: {description}")
    if earlier := sum(job.finished_before for job in jobs):
        say(f"{earlier} of {len(jobs)} jobs were finished before.")
    for job in order:
        if job.error is not None:
            say(f"{job.name}: {job.error}")
            if job.traceback is not None:
                say(f"  Where: {directory / JOBS / job.name}.json")


def _describe_measures(jobs: Sequence[Job]) -> dict[Measure, tuple[str, str]]:
    """Return for each measure a heading, and its key, direction and the facts in which it differs from others."""
    bests = {_measure(job.best): job.best for job in jobs if job.best is not None}
    counts = Counter(best.name for best in bests.values())
    descriptions = {}
    for position, (measure, best) in enumerate(bests.items(), 1):
        facts = flat(dict(best.protocol))
        others = [flat(dict(other.protocol)) for other in bests.values() if other.key == best.key]
        differing = [fact for fact in facts if len({json.dumps(other.get(fact)) for other in others}) > 1]
        arrow, better = ("↑", "higher") if best.spec.higher_is_better else ("↓", "lower")
        heading = f"{best.name} {arrow}" + f" ({position})" * (counts[best.name] > 1)
        details = "".join(f"; {fact}: {facts[fact]}" for fact in differing)
        descriptions[measure] = (heading, f"{best.key}, {better} is better, at its best during the run{details}")
    return descriptions


def _rounded(value: str) -> str:
    """Round a number that a sampler has drawn; the job's file has all its digits."""
    try:
        return value if len(value) <= 9 else f"{float(value):.4g}"
    except ValueError:
        return value
