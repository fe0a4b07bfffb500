"""`diff`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.keys import flat
from gan_experiments.records import Record, differing_keys
from gan_experiments.terminal import number, print_json, print_table, say
from gan_experiments.values import Value
from gan_experiments.verbs.given import open_record

NAMES = ("A", "B")


def diff(
    first: Annotated[Path, typer.Argument(help="A run directory.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    by_class: Annotated[bool, typer.Option(help="Compare the values of single classes too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
) -> None:
    """Compare two runs: keys of the config, versions, data, and metrics side by side where their protocols agree."""
    records = [open_record(first), open_record(second)]
    config = {key: [_at(record, key) for record in records] for key in differing_keys(records)}
    around = _around(records)
    metrics = _metrics(records, by_class)
    if as_json:
        paths = [str(record.directory) for record in records]
        print_json({"runs": paths, "config": config, "environment": around, "metrics": metrics})
        return
    for name, record in zip(NAMES, records, strict=True):
        say(f"{name}: {record.directory} ({record.state})")
    _print("config", config)
    _print("data, versions", around)
    if not metrics:
        say("Neither has measured anything.")
        return
    _print_metrics(metrics)


def _at(record: Record, key: str) -> Any:
    return record.settings.get(key)


def _around(records: list[Record]) -> dict[str, list[Any]]:
    """Give what differs in data, versions, commit and machine."""
    found = []
    for record in records:
        parts = {name: record.manifest.get(name) for name in ("data", "versions", "git", "machine")}
        found.append(flat({name: part for name, part in parts.items() if isinstance(part, dict)}))
    keys = dict.fromkeys(key for facts in found for key in facts)
    return {key: values for key in keys if (values := [facts.get(key) for facts in found])[0] != values[1]}


def _metrics(records: list[Record], by_class: bool) -> list[dict[str, Any]]:
    """Pair the values of each key: by a protocol that both have, else the newest of each, with what differs in it."""
    measured = [record.measured() for record in records]
    keys = dict.fromkeys(key for found in measured for key, _ in found)
    rows = []
    for key in keys:
        if key.startswith("class_fid_") and not by_class:
            continue
        own = [{protocol: value for (name, protocol), value in found.items() if name == key} for found in measured]
        shared = [protocol for protocol in own[0] if protocol in own[1]]
        pair = [found[shared[-1]] if shared else next(reversed(found.values()), None) for found in own]
        rows.append(
            {
                "key": key,
                "values": [None if value is None else value.value for value in pair],
                "intervals": [None if value is None else value.interval for value in pair],
                "measured_of": [name for name, value in zip(NAMES, pair, strict=True) if value is not None],
                "comparable": bool(shared),
                "note": _note(pair),
            }
        )
    return rows


def _note(pair: list[Value | None]) -> str:
    first, second = pair
    if first is None or second is None:
        return ""
    notes = []
    if first.protocol != second.protocol:
        facts = [flat(value.facts) for value in (first, second)]
        keys = [key for key in dict.fromkeys([*facts[0], *facts[1]]) if facts[0].get(key) != facts[1].get(key)]
        told = ", ".join(f"{key} {facts[0].get(key)} / {facts[1].get(key)}" for key in keys)
        notes.append(f"not comparable, protocols differ: {told}")
    if first.kimg != second.kimg:
        notes.append(f"at {number(first.kimg)} / {number(second.kimg)} kimg")
    return "; ".join(notes)


def _print_metrics(metrics: list[dict[str, Any]]) -> None:
    notes = list(dict.fromkeys(row["note"] for row in metrics if row["note"]))
    rows = []
    for row in metrics:
        if len(row["measured_of"]) == 2:
            note = f"({notes.index(row['note']) + 1})" if row["note"] else ""
            rows.append([row["key"], *map(_value_cell, row["values"], row["intervals"]), note])
    if rows:
        print_table(["metric", *NAMES, "note"], rows)
    for place, note in enumerate(notes):
        say(f"({place + 1}) {note}")
    for name in NAMES:
        alone = [row["key"] for row in metrics if row["measured_of"] == [name]]
        if alone:
            say(f"Of {name} alone: {', '.join(alone)}")


def _value_cell(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "undefined"
    return number(value) if interval is None else f"{number(value)} ± {(interval[1] - interval[0]) / 2:.2g}"


def _print(title: str, differing: dict[str, list[Any]]) -> None:
    if not differing:
        say(f"{title}: no difference")
        return
    rows = [[key, *("–" if value is None else value for value in values)] for key, values in differing.items()]
    print_table([title, *NAMES], rows)
