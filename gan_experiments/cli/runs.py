"""`runs`."""

import contextlib
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.cli.paths import RunPathsOrAll
from gan_experiments.config.keys import LABELS, PLACES, WATCHING, within
from gan_experiments.formatting import duration, print_json, print_table, say, short
from gan_experiments.runs.manifest import seconds_since
from gan_experiments.runs.run import Run, differing_keys, find_runs
from gan_experiments.types import protocol_hash

OUTPUTS = "outputs"
OWN_COLUMN = ("experiment", "seed", *LABELS, *WATCHING)


def runs(
    paths: RunPathsOrAll = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """List runs, the newest first: how they stand, how they differ, and the value that chose the best checkpoint."""
    records = find_runs(paths or [OUTPUTS]) if paths or Path(OUTPUTS).is_dir() else []
    keys = _keys(records)
    rows = [_facts(record, _differing(record, keys)) for record in records]
    rows.sort(key=lambda row: math.inf if row["age_seconds"] is None else row["age_seconds"])
    if as_json:
        print_json(rows)
    elif not rows:
        say(f"There are no runs in {OUTPUTS}/ yet: python -m gan_experiments trains one.")
    else:
        _print(rows)


def _keys(records: Sequence[Run]) -> dict[str, list[str]]:
    """Return by experiment the keys in which its runs differ; nothing for one of which there is a single run."""
    groups: dict[str, list[Run]] = {}
    for record in records:
        if record.config:
            groups.setdefault(_experiment(record), []).append(record)
    return {
        name: [key for key in differing_keys(group) if not within(key, OWN_COLUMN)]
        for name, group in groups.items()
        if len(group) > 1
    }


def _differing(record: Run, keys: dict[str, list[str]]) -> dict[str, Any]:
    """Return what differs from the other runs of its experiment; where it is the only one, what was typed."""
    if record.config and _experiment(record) in keys:
        return {key: record.settings.get(key) for key in keys[_experiment(record)]}
    words = [str(word).lstrip("+~").partition("=") for word in record.manifest.overrides]
    return {key: value for key, _, value in words if not within(key, (*OWN_COLUMN, *PLACES, "hydra"))}


def _experiment(record: Run) -> str:
    return str(record.manifest.experiment or record.flat_config.get("dataset.name") or "")


def _facts(record: Run, differs: dict[str, Any]) -> dict[str, Any]:
    newest = record.rows[-1] if record.rows else {}
    return {
        "path": str(record.directory),
        "name": record.config.get("name"),
        "state": record.state,
        "problem": record.problem,
        "experiment": _experiment(record),
        "differs": differs,
        "seed": record.manifest.seed,
        "kimg": newest.get("kimg", record.results.get("kimg")),
        "best": best_value(record),
        "started": record.manifest.started,
        "age_seconds": _age(record),
    }


def best_value(record: Run) -> dict[str, Any] | None:
    """Return the value of the best checkpoint, or while training the newest of the metric that chooses it."""
    if record.best:
        found = {name: record.best.get(name) for name in ("key", "value", "kimg")}
        entry = record.evaluation.values.get(str(found["key"]), {})
        protocol = protocol_hash(entry["protocol"]) if "protocol" in entry else None
        return {**found, "which": "best", "protocol": protocol}
    metric = record.flat_config.get("evaluation.best")
    for row in reversed(record.rows):
        for key, value in row.items():
            if key.startswith(f"{metric}/") and math.isfinite(value):
                return {"key": key, "value": value, "kimg": row.get("kimg"), "which": "newest", "protocol": None}
    return None


def _age(record: Run) -> float | None:
    """Return the seconds since it started; of what cannot be read, since it was last changed."""
    started = seconds_since(record.manifest.started)
    if started is None:
        with contextlib.suppress(OSError):
            started = datetime.now(UTC).timestamp() - record.directory.stat().st_mtime
    return started


def _print(rows: Sequence[dict[str, Any]]) -> None:
    base = common_directory([row["path"] for row in rows])
    measures = [row["best"] and (str(row["best"]["key"]), row["best"]["protocol"]) for row in rows]
    footnotes = list(dict.fromkeys(filter(None, measures)))
    marks = {measure: f"({at}) " if len(footnotes) > 1 else "" for at, measure in enumerate(footnotes, 1)}
    cells = []
    for row, measure in zip(rows, measures, strict=True):
        differs = [f"{key}={'null' if value is None else value}" for key, value in row["differs"].items()]
        lines = [
            str(Path(row["path"]).relative_to(base)),
            row["name"],
            " ".join([row["experiment"], *differs]),
            row["problem"],
        ]
        run = "\n".join(str(line) for line in lines if line)
        seed = "" if row["seed"] is None else row["seed"]
        kimg = f"{row['kimg']:,.1f}" if isinstance(row["kimg"], int | float) else ""
        best = ""
        if measure:
            newest = "" if row["best"]["which"] == "best" else "\n(the newest)"
            best = f"{marks[measure]}{measure[0].partition('/')[0]} {short(row['best']['value'])}{newest}"
        age = "" if row["age_seconds"] is None else duration(row["age_seconds"], units=1)
        cells.append([run, row["state"], seed, kimg, best, age])
    if base != Path.cwd():
        say(f"Below {base}:")
    print_table(["run", "state", "seed", "kimg", "best", "age"], cells, right="seed,kimg,age")
    for (key, protocol), mark in marks.items():
        say(f"{mark}{key}, protocol {protocol or 'as in its config'}")
    if len(marks) > 1:
        say("Values of different keys or protocols cannot be compared.")


def common_directory(paths: Sequence[str]) -> Path:
    """Return the directory below which all paths lie: the current one, or else the deepest."""
    here = Path.cwd()
    if all(Path(path).is_relative_to(here) for path in paths):
        return here
    return Path(os.path.commonpath([Path(path).parent for path in paths]))
