"""How values, numbers, times and sizes are written for reading: on pages, in Markdown and on a terminal."""

import json
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gan_experiments.types import MetricValue, is_number

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


def with_interval(value: MetricValue | None) -> str:
    """Write a value with half its interval; nothing where it was not measured."""
    if value is None or value.value is None:
        return "" if value is None else "undefined"
    half = value.half_width
    return short(value.value) if half is None else f"{short(value.value)} ± {short(half, 2)}"


def floor(value: MetricValue) -> str:
    """Write a value's floor, with a star where it is of fewer images than samples."""
    return short(value.floor) + "*" * (value.floor_of_fewer and value.floor is not None)


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


WIDE = 1000  # characters


def plain(value: object) -> str:
    """Return a value as text that a terminal shows and does not obey: no control characters, no broken encoding."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def say(line: object = "") -> None:
    """Print a line, however long: paths and commands are to be copied."""
    import typer

    typer.echo(plain(line))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]], title: str = "", right: str = "") -> None:
    """Print a table whose long cells fold; nothing in a cell is markup, and a line break stays one.

    `right` names the columns of numbers, separated by commas: they stand to the right and do not fold.
    """
    if title:
        say(title)  # that of a table would be folded to its width
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        number = header != "" and header in right.split(",")
        table.add_column(Text(header), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text("\n".join(plain(line) for line in str(cell).split("\n"))) for cell in row))
    # A terminal has a width; in a file or a pipe, paths are to stay whole.
    is_wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    Console(width=WIDE if is_wide else None).print(table)


def print_json(value: object) -> None:
    """Print JSON that any parser reads: what is not finite is null."""
    import typer

    typer.echo(json.dumps(_finite(value), indent=2, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
