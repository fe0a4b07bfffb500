"""How values are written for reading."""

import json
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
