"""How values, numbers, times and sizes are written for reading: on pages, in Markdown and on a terminal."""

import json
import re
from collections.abc import Sequence
from typing import Any

from gan_experiments.values import Value, is_number

MOST_WORDS = 20


def show(value: Any) -> str:
    """Write a value of a config; a dash where there is none."""
    if value is None or isinstance(value, str):
        return "–" if value is None else encodable(value)
    return encodable(json.dumps(value, ensure_ascii=False, default=str))


def encodable(text: str) -> str:
    """Take out what no encoding can write: halves of surrogate pairs, in names that are no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def short(value: object, digits: int = 4) -> str:
    """Write a number for reading; nothing for None, anything else as it is."""
    if value is None or not isinstance(value, int | float):
        return "" if value is None else show(value)
    if 10**digits <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value + 0.0:.{digits}g}"  # no -0


def count(value: object) -> str | None:
    """Write a whole number with its thousands apart; None for anything else."""
    return f"{value:,.0f}" if is_number(value) and value == int(value) else None


def brief_list(words: Sequence[object]) -> str:
    """Write some words, and how many there are if they are more than anyone reads."""
    text = ", ".join(map(show, words[:MOST_WORDS]))
    return text if len(words) <= MOST_WORDS else f"{text}, … ({len(words)})"


def plus_minus(value: float, half: float | None) -> str:
    """Write a value with half its interval, where it has one."""
    return short(value) if half is None else f"{short(value)} ± {short(half, 2)}"


def with_interval(value: Value | None) -> str:
    """Write a value with half its interval; nothing where it was not measured."""
    if value is None or value.value is None:
        return "" if value is None else "undefined"
    return plus_minus(value.value, value.half)


def duration(seconds: float, units: int = 2) -> str:
    """Write a time span with its largest units: 2 d 3 h, 1 h 5 min, 3 min 20 s, 12 s."""
    left = round(max(seconds, 0))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        parts.append((number, unit))
    first = next((i for i, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + units] if number or unit == "s")


def moment(time: object) -> str:
    """Write a time as manifests have it, in UTC, for reading; anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", str(time))
    return f"{found[1]} {found[2]} UTC" if found else show(time)


def size(num_bytes: float) -> str:
    """Write a size on disk: 512 B, 5.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000 or unit == "GB":
            break
        num_bytes /= 1000
    return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
