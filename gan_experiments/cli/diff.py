"""`diff`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.config.keys import differing_facts, flat
from gan_experiments.formatting import print_json, print_table, say, short, with_interval
from gan_experiments.runs.run import Run, differing_keys
from gan_experiments.types import MetricValue

NAMES = ("A", "B")
Pair = list[MetricValue | None]


def diff(
    first: Annotated[Path, typer.Argument(help="A run directory.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    parts: Annotated[bool, typer.Option(help="Compare what details other values too, such as single classes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
) -> None:
    """Compare two runs: keys of the config, versions, data, and metrics side by side where their protocols agree."""
    records = [Run.open(first), Run.open(second)]
    config = {key: tuple(record.settings.get(key) for record in records) for key in differing_keys(records)}
    around = differing_facts(*map(_around, records))
    pairs = _pairs(records)
    if as_json:
        paths = [str(record.directory) for record in records]
        print_json(
            {"runs": paths, "config": config, "environment": around, "metrics": [_row(*pair) for pair in pairs.items()]}
        )
        return
    for name, record in zip(NAMES, records, strict=True):
        say(f"{name}: {record.directory} ({record.state})")
    _print("config", config)
    _print("data, versions", around)
    if not pairs:
        say("Neither has measured anything.")
        return
    whole = {key: pair for key, pair in pairs.items() if not any(value and value.spec.part_of for value in pair)}
    _print_metrics(pairs if parts else whole)


def _around(record: Run) -> dict[str, Any]:
    """Return what is known of data, versions, commit and machine."""
    parts = record.manifest.model_dump(include={"data", "versions", "git", "machine"})
    return flat({name: part for name, part in parts.items() if part})


def _pairs(records: list[Run]) -> dict[str, Pair]:
    """Pair the values of each key: by a protocol that both have, else the newest of each."""
    measured = [record.measured() for record in records]
    pairs = {}
    for key in dict.fromkeys(key for found in measured for key, _ in found):
        own = [{protocol: value for (name, protocol), value in found.items() if name == key} for found in measured]
        shared = [protocol for protocol in own[0] if protocol in own[1]]
        pairs[key] = [found[shared[-1]] if shared else next(reversed(found.values()), None) for found in own]
    return pairs


def _row(key: str, pair: Pair) -> dict[str, Any]:
    first, second = pair
    return {
        "key": key,
        "values": [None if value is None else value.value for value in pair],
        "intervals": [None if value is None else value.interval for value in pair],
        "measured_of": [name for name, value in zip(NAMES, pair, strict=True) if value is not None],
        "comparable": first is not None and second is not None and first.protocol_hash == second.protocol_hash,
        "note": _note(pair),
    }


def _note(pair: Pair) -> str:
    first, second = pair
    if first is None or second is None:
        return ""
    notes = []
    if first.protocol_hash != second.protocol_hash:
        facts = differing_facts(flat(first.protocol), flat(second.protocol))
        values = ", ".join(f"{key} {own} / {other}" for key, (own, other) in facts.items())
        notes.append(f"not comparable, protocols differ: {values}")
    if first.kimg != second.kimg:
        notes.append(f"at {short(first.kimg)} / {short(second.kimg)} kimg")
    return "; ".join(notes)


def _print_metrics(pairs: dict[str, Pair]) -> None:
    notes = list(dict.fromkeys(note for pair in pairs.values() if (note := _note(pair))))
    numbers = {"": ""} | {note: f"({number})" for number, note in enumerate(notes, 1)}
    rows = [[key, *map(with_interval, pair), numbers[_note(pair)]] for key, pair in pairs.items() if None not in pair]
    if rows:
        print_table(["metric", *NAMES, "note"], rows)
    for note in notes:
        say(f"{numbers[note]} {note}")
    for position, name in enumerate(NAMES):
        alone = [key for key, pair in pairs.items() if pair[1 - position] is None]
        if alone:
            say(f"Of {name} alone: {', '.join(alone)}")


def _print(title: str, differing: dict[str, tuple[Any, ...]]) -> None:
    if not differing:
        say(f"{title}: no difference")
        return
    rows = [[key, *("–" if value is None else value for value in values)] for key, values in differing.items()]
    print_table([title, *NAMES], rows)
