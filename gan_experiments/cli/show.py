"""`show`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.formatting import count, duration, floor, print_json, print_table, say, short, size
from gan_experiments.runs.reading import seconds_since
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue

PICTURES = ("losses.png", "report.html", "samples/real.png")


def show(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    parts: Annotated[bool, typer.Option(help="Show what details other values too, such as single classes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")] = False,
) -> None:
    """Show what a run was, how it stands, what it measured, what went wrong, where things are, and how to go on."""
    record = Run.open(run)
    facts = _facts(record)
    values = list(record.measured().values())
    if as_json:
        print_json({**facts, "metrics": [_metric(value) for value in values]})
        return
    say(f"{record.directory}: {record.state}")
    for problem in record.problems:
        say(f"  {problem}")
    for name in ("experiment", "name", "notes", "command", "started", "time", "data", "parameters", "reached"):
        if facts[name]:
            say(f"{name}: {_line(facts[name])}")
    say(f"last losses: {_line(facts['losses']) or 'none yet'}")
    _print_values([value for value in values if parts or value.spec.part_of is None])
    for alarm in facts["alarms"]:
        say(f"alarm {alarm}")
    for name in ("checkpoints", "pictures"):
        say(f"{name}: {'' if facts[name] else 'none'}")
        for path, about in facts[name].items():
            say(f"  {path}  {about}")
    say(f"environment: {_line(facts['environment'])}")
    say(f"to go on: {facts['go_on']}")


def _facts(record: Run) -> dict[str, Any]:
    manifest, directory = record.manifest, record.directory
    return {
        "path": str(directory),
        "state": record.state,
        "problems": record.problems,
        "experiment": manifest.experiment,
        "name": record.config.get("name"),
        "notes": record.config.get("notes"),
        "command": record.command,
        "started": manifest.started,
        "time": _time(record),
        "data": {"dataset": record.flat_config.get("dataset.name"), **record.manifest.data},
        "parameters": record.manifest.parameters,
        "reached": record.reached,
        "losses": _losses(record),
        "alarms": [_alarm(said) for said in record.manifest.alarms],
        "checkpoints": {str(path): _size(path) for path in sorted(directory.glob("checkpoints/*.pt"))},
        "pictures": _pictures(record),
        "environment": {**record.manifest.versions, "commit": record.commit() or None, **record.manifest.machine},
        "go_on": _go_on(record),
    }


def _time(record: Run) -> str:
    sessions = record.manifest.sessions
    if record.state == "running":
        started = seconds_since(sessions[-1].started if sessions else None)
        return "" if started is None else f"this session has been running for {duration(started)}"
    ended = seconds_since(record.manifest.ended)
    when = "" if ended is None else f", ended {duration(ended)} ago"
    device = next((f", on {session.device}" for session in reversed(sessions) if session.device), "")
    return f"{duration(record.seconds)} in {len(sessions)} session{'s' * (len(sessions) != 1)}{when}{device}"


def _losses(record: Run) -> dict[str, float]:
    """Return the newest value of each loss: a schedule may train one network for a whole epoch."""
    newest: dict[str, float] = {}
    for row in record.rows:
        if row.kind == "training":
            newest |= {name: value for name, value in row.items() if name.startswith(("discriminator/", "generator/"))}
    return newest


def _alarm(said: Mapping[str, Any]) -> str:
    return f"{said.get('alarm')} at {short(said.get('kimg'))} kimg ({said.get('action')}): {said.get('message')}"


def _pictures(record: Run) -> dict[str, str]:
    found = {str(path): "" for name in PICTURES if (path := record.directory / name).exists()}
    if record.grids:
        kimg, path = record.grids[-1]
        found[str(path)] = f"the newest of {len(record.grids)} grids, at {short(kimg)} kimg"
    return found


def _go_on(record: Run) -> str:
    if record.state == "running":
        return "it is running"
    if not record.go_on:
        anew = "start it anew by the command above, with another hydra.run.dir if it names one"
        return f"it has no checkpoint of its last state; {anew}"
    return record.go_on + " (MORE than it had)" * (record.state == "finished")


def _metric(value: MetricValue) -> dict[str, Any]:
    return {"key": value.key, "protocol_hash": value.protocol_hash, **value.to_json()}


def _print_values(values: list[MetricValue]) -> None:
    if not values:
        say("metrics: none yet")
        return
    tables: dict[str, list[list[str]]] = {}
    for value in values:
        at = "" if value.kimg is None else f", at {short(value.kimg)} kimg"
        cells = [short(value.value) or "undefined", short(value.half_width, 2), floor(value), short(value.ceiling)]
        arrow = "↑" if value.spec.higher_is_better else "↓"
        tables.setdefault(f"{value.extractor}{at}", []).append([f"{value.name} {arrow}", *cells, value.protocol_hash])
    for title, rows in tables.items():
        headers = ["metric", "value", "± 95%", "floor", "ceiling", "protocol"]
        print_table(headers, rows, title=title, right="value,± 95%,floor,ceiling")
    say("↓ lower is better, ↑ higher; values of different protocols cannot be compared.")
    if any(value.floor_of_fewer for value in values):
        say("* of fewer images than samples, which makes a FID larger.")
    if all(value.interval is None for value in values):
        say("Intervals, floor and ceiling come from gan-experiments evaluate.")


def _line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count(item) or short(item)}" for name, item in value.items() if item is not None)
    return str(value)


def _size(path: Path) -> str:
    try:
        return size(path.stat().st_size)
    except OSError:  # it has vanished
        return "gone"
