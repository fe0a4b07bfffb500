"""`show`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.records import Record
from gan_experiments.runs import resuming
from gan_experiments.terminal import age, number, print_json, print_table, say, seconds_since, size
from gan_experiments.tracking.rows import TRAINING_MARK
from gan_experiments.values import Value
from gan_experiments.verbs.given import open_record

PICTURES = ("losses.png", "report.html", "samples/real.png")


def show(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    by_class: Annotated[bool, typer.Option(help="Show the values of single classes too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")] = False,
) -> None:
    """Show what a run was, how it stands, what it measured, what went wrong, where things are, and how to go on."""
    record = open_record(run)
    facts = _facts(record)
    values = [
        (key, value) for (key, _), value in record.measured().items() if by_class or not key.startswith("class_fid_")
    ]
    if as_json:
        print_json({**facts, "metrics": [{"key": key, **vars(value)} for key, value in values]})
        return
    say(f"{record.directory}: {record.state}")
    for problem in record.problems:
        say(f"  {problem}")
    for name in ("experiment", "name", "notes", "command", "started", "time", "data", "parameters", "reached"):
        if facts[name]:
            say(f"{name}: {_line(facts[name])}")
    say(f"last losses: {_line(facts['losses']) or 'none yet'}")
    _print_values(values)
    for alarm in facts["alarms"]:
        say(f"alarm {alarm}")
    for name in ("checkpoints", "pictures"):
        say(f"{name}: {'' if facts[name] else 'none'}")
        for path, about in facts[name].items():
            say(f"  {path}  {about}")
    say(f"environment: {_line(facts['environment'])}")
    say(f"to go on: {facts['go_on']}")


def _facts(record: Record) -> dict[str, Any]:
    manifest, directory = record.manifest, record.directory
    data = _mapping(manifest.get("data"))
    dataset = _mapping(record.config.get("dataset")).get("name")
    checkpoints = sorted((directory / "checkpoints").glob("*.pt"))
    return {
        "path": str(directory),
        "state": record.state,
        "problems": record.problems,
        "experiment": manifest.get("experiment"),
        "name": record.config.get("name"),
        "notes": record.config.get("notes"),
        "command": record.command,
        "started": manifest.get("started"),
        "time": _time(record),
        "data": {"dataset": dataset, **data},
        "parameters": _mapping(manifest.get("parameters")),
        "reached": _reached(record),
        "losses": _losses(record),
        "alarms": [_alarm(_mapping(said)) for said in _list(manifest.get("alarms"))],
        "checkpoints": {str(path): _size(path) for path in checkpoints},
        "pictures": _pictures(record),
        "environment": _environment(manifest),
        "go_on": _go_on(record, bool(checkpoints)),
    }


def _time(record: Record) -> str:
    sessions = [_mapping(session) for session in _list(record.manifest.get("sessions"))]
    if record.state == "running":
        started = seconds_since(sessions[-1].get("started") if sessions else None)
        return "" if started is None else f"this session has been running for {age(started)}"
    spent = [session["seconds"] for session in sessions if isinstance(session.get("seconds"), int | float)]
    ended = seconds_since(record.manifest.get("ended"))
    when = "" if ended is None else f", ended {age(ended)} ago"
    device = next((f", on {session['device']}" for session in reversed(sessions) if session.get("device")), "")
    return f"{age(sum(spent))} in {len(sessions)} session{'s' * (len(sessions) != 1)}{when}{device}"


def _reached(record: Record) -> dict[str, Any]:
    wanted = ("iteration", "kimg", "epoch", "discriminator_steps", "generator_steps")
    newest: dict[str, Any] = {}
    for row in record.rows:
        newest |= {name: row[name] for name in wanted if name in row}
    return newest


def _losses(record: Record) -> dict[str, float]:
    """Give the newest value of each loss: a schedule may train one network for a whole epoch."""
    newest: dict[str, float] = {}
    for row in record.rows:
        if TRAINING_MARK in row:
            newest |= {name: value for name, value in row.items() if name.startswith(("discriminator/", "generator/"))}
    return newest


def _alarm(said: dict[str, Any]) -> str:
    return f"{said.get('alarm')} at {number(said.get('kimg'))} kimg ({said.get('action')}): {said.get('message')}"


def _pictures(record: Record) -> dict[str, str]:
    found = {str(path): "" for name in PICTURES if (path := record.directory / name).exists()}
    if record.grids:
        kimg, path = record.grids[-1]
        found[str(path)] = f"the newest of {len(record.grids)} grids, at {number(kimg)} kimg"
    return found


def _environment(manifest: dict[str, Any]) -> dict[str, Any]:
    machine, git = _mapping(manifest.get("machine")), _mapping(manifest.get("git"))
    commit = {"commit": f"{git['commit']}{' (modified)' if git.get('dirty') else ''}"} if git.get("commit") else {}
    return {**_mapping(manifest.get("versions")), **commit, **machine}


def _go_on(record: Record, has_checkpoints: bool) -> str:
    if record.state == "running":
        return "it is running"
    if not has_checkpoints:
        return "it has no checkpoint; start it anew by the command above, with another hydra.run.dir if it names one"
    longer = "" if record.state != "finished" else " budget.epochs=... (or budget.kimg=..., more than it had)"
    return f"python -m gan_experiments {resuming(record.directory)}{longer}"


def _print_values(values: list[tuple[str, Value]]) -> None:
    if not values:
        say("metrics: none yet")
        return
    tables: dict[str, list[list[str]]] = {}
    for key, value in values:
        name, _, measure = key.partition("/")
        at = "" if value.kimg is None else f", at {number(value.kimg)} kimg"
        half = None if value.interval is None else (value.interval[1] - value.interval[0]) / 2
        cells = ["undefined" if value.value is None else number(value.value), "" if half is None else f"{half:.2g}"]
        anchors = [number(value.floor), number(value.ceiling)]
        arrow = "↑" if value.higher_is_better else "↓"
        tables.setdefault(f"{measure}{at}", []).append([f"{name} {arrow}", *cells, *anchors, value.protocol])
    for title, rows in tables.items():
        headers = ["metric", "value", "± 95%", "floor", "ceiling", "protocol"]
        print_table(headers, rows, title=title, right="value,± 95%,floor,ceiling")
    say("↓ lower is better, ↑ higher; values of different protocols cannot be compared.")


def _line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_grouped(item)}" for name, item in value.items() if item is not None)
    return str(value)


def _grouped(value: object) -> str:
    """Give a number with its thousands apart, and no more than four digits of a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else number(value)


def _size(path: Path) -> str:
    try:
        return size(path.stat().st_size)
    except OSError:  # it has vanished
        return "gone"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
