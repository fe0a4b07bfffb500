"""The jobs of a sweep in a table, best first."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_experiments.records import flat
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
    """Give what a value must share with another to be comparable."""
    return "" if job.measure is None else json.dumps([job.measure["key"], job.measure["protocol"]], sort_keys=True)


def print_jobs(jobs: Sequence[Job], directory: Path) -> None:
    """Print the ranked table, what differs between measures, and below it the failed jobs with their errors."""
    order = ranked(jobs)
    measures = _headings(order)
    keys = list(dict.fromkeys(key for job in jobs for key in job.varying))
    short = short_keys(keys)
    table = Table(title=Text(str(directory)), title_justify="left")
    table.add_column("", justify="right", no_wrap=True)
    for name in (*(short[key] for key in keys), *(heading for heading, _ in measures.values())):
        table.add_column(Text(name), overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    places: Counter[str] = Counter()
    for job in order:
        measure = _measure(job)
        places[measure] += 1
        values = [f"{job.objective:.4g}" if measure == other else "" for other in measures]
        settings = [_short(job.varying.get(key, "")) for key in keys]
        place = str(places[measure]) if measure else ""
        table.add_row(*map(Text, [place, *settings, *values, job.state, _duration(job.seconds)]))
    Console(highlight=False).print(table)
    for heading, about in measures.values():
        if about:
            say(f"{heading}: {about}")
    if older := sum(job.is_older for job in jobs):
        say(f"{older} of {len(jobs)} jobs were finished before.")
    for job in order:
        if job.error is not None:
            say(f"{job.name}: {job.error}")
            if job.traceback is not None:
                say(f"  Where: {directory / JOBS / job.name}.json")


def say(text: str) -> None:
    """Print a paragraph, which the terminal may wrap."""
    Console(highlight=False).print(Text(text), soft_wrap=True)


def _headings(jobs: Sequence[Job]) -> dict[str, tuple[str, str]]:
    """Give each measure its heading and, where several have one key, the facts in which they differ."""
    found = {_measure(job): job.measure for job in jobs if job.measure is not None}
    headings = {}
    for measure, about in found.items():
        alike = {other: flat(its["protocol"]) for other, its in found.items() if its["key"] == about["key"]}
        own = alike[measure]
        differing = [fact for fact in own if len({json.dumps(facts.get(fact)) for facts in alike.values()}) > 1]
        number = list(alike).index(measure) + 1
        heading = about["key"] if len(alike) == 1 else f"{about['key']} · protocol {number}"
        headings[measure] = (heading, ", ".join(f"{fact}: {own[fact]}" for fact in differing))
    return headings


def _short(value: str) -> str:
    """Round what a sampler has drawn; the job's file has all its digits."""
    try:
        return value if len(value) <= 9 else f"{float(value):.4g}"
    except ValueError:
        return value


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
