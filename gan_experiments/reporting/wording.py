"""How values are written for reading."""

import json
import re
from typing import Any

from gan_experiments.values import Value


def show(value: Any) -> str:
    """Write a value of a config; a dash where there is none."""
    if value is None or isinstance(value, str):
        return "–" if value is None else clean(value)
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def clean(text: str) -> str:
    """Take out what no encoding can write: halves of surrogate pairs, in names that are no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def short(value: float | None, digits: int = 4) -> str:
    """Write a number for reading; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if 10**digits <= abs(value) < 1e15 else f"{value:.{digits}g}"


def with_interval(value: Value | None) -> str:
    """Write a value with half its interval; nothing where it was not measured."""
    if value is None or value.value is None:
        return "" if value is None else "undefined"
    if value.interval is None:
        return short(value.value)
    return f"{short(value.value)} ± {short((value.interval[1] - value.interval[0]) / 2, 2)}"


def duration(seconds: float) -> str:
    """Write a time span with its two largest units: 2 d 3 h, 1 h 5 min, 3 min 20 s, 12 s."""
    left = round(max(seconds, 0))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or unit == "s")


def moment(time: object) -> str:
    """Write a time as manifests have it, in UTC, for reading; anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", str(time))
    return f"{found[1]} {found[2]} UTC" if found else show(time)
