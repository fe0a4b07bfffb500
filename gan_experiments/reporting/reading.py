"""Reading what files of runs hold: anything at all, where they are damaged or foreign."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from gan_experiments.reporting.wording import show

MOST_WORDS = 20


def mapping(value: object) -> Mapping[str, Any]:
    """Give a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> Sequence[Any]:
    """Give a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count(value: object) -> str | None:
    """Write a whole number with its thousands apart; None for anything else."""
    return f"{value:,}" if isinstance(value, int) else None


def brief_list(words: Sequence[object]) -> str:
    """Write some words, and how many there are if they are more than anyone reads."""
    text = ", ".join(map(show, words[:MOST_WORDS]))
    return text if len(words) <= MOST_WORDS else f"{text}, … ({len(words)})"


def modified(path: Path) -> float:
    """Give when a file was written; 0 where it has vanished."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
