"""What the files of a run hold: values of metrics, and anything at all where they are damaged. Imports no torch."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def whole(value: object) -> int:
    """Return a whole number as it is, and -1 for anything else."""
    return value if isinstance(value, int) else -1


def num_samples(content: Mapping[str, Any]) -> int:
    """Return how many samples an evaluation's first value is of; -1 where it does not say."""
    entry = next(iter(mapping(content.get("values")).values()), None)
    return whole(mapping(mapping(entry).get("protocol")).get("num_samples"))


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> Sequence[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def seconds_since(time: object) -> float | None:
    """Return the seconds since a time as manifests have it; None where it is none."""
    try:
        then = datetime.strptime(str(time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (datetime.now(UTC) - then).total_seconds()


def modified(path: Path) -> float:
    """Return when a file was written; 0 where it has vanished."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
