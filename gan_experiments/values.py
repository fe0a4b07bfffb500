"""What the files of a run hold: values of metrics, and anything at all where they are damaged. Imports no torch."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard


@dataclass(frozen=True)
class Value:
    """A metric's value of one run, with what it must be read with."""

    value: float | None  # None: undefined
    interval: tuple[float, float] | None  # 95%, over sampling seeds
    protocol: str  # a hash: values with different ones are different measures
    facts: dict[str, Any]  # of the protocol
    higher_is_better: bool
    floor: float | None = None
    ceiling: float | None = None
    kimg: float | None = None  # at which it was measured

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 2


def protocol_hash(facts: Mapping[str, Any]) -> str:
    """Give eight characters that stand for a protocol."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def read_value(entry: dict[str, Any], kimg: Any) -> Value:
    """Read an entry of results.json or of an evaluation's file; `kimg` is when it was measured.

    Raises:
        TypeError, KeyError, ValueError: it is no such entry.
    """
    facts = dict(entry["protocol"])
    low, high = (_finite(bound) for bound in entry.get("interval") or (None, None))
    return Value(
        value=_finite(entry["value"]),
        interval=None if low is None or high is None else (low, high),
        protocol=protocol_hash(facts),
        facts=facts,
        higher_is_better=bool(entry.get("higher_is_better", False)),
        floor=_finite(entry.get("floor")),
        ceiling=_finite(entry.get("ceiling")),
        kimg=float(kimg) if is_number(kimg) else None,
    )


def _finite(value: Any) -> float | None:
    """Give a number; None where it is undefined."""
    return float(value) if value is not None and math.isfinite(value) else None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def mapping(value: object) -> Mapping[str, Any]:
    """Give a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> Sequence[Any]:
    """Give a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def seconds_since(time: object) -> float | None:
    """Give the seconds since a time as manifests have it; None where it is none."""
    try:
        then = datetime.strptime(str(time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (datetime.now(UTC) - then).total_seconds()


def modified(path: Path) -> float:
    """Give when a file was written; 0 where it has vanished."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
