"""Printing on a terminal: cells that nothing interprets, numbers and times as people read them, JSON for scripts."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def plain(value: object) -> str:
    """Give a value as text that a terminal shows and does not obey: no control characters, no broken encoding."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def say(line: object = "") -> None:
    """Print a line, however long: paths and commands are to be copied."""
    typer.echo(plain(line))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]], title: str = "", right: str = "") -> None:
    """Print a table whose long cells fold; nothing in a cell is markup.

    Args:
        headers: names of the columns.
        rows: their cells; a line break stays one.
        title: above the table.
        right: names of the columns of numbers, separated by commas: to the right and not folded.
    """
    table = Table(
        box=box.SIMPLE_HEAD, title=Text(plain(title)) if title else None, title_justify="left", pad_edge=False
    )
    for header in headers:
        number = header != "" and header in right.split(",")
        table.add_column(Text(header), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text("\n".join(plain(line) for line in str(cell).split("\n"))) for cell in row))
    Console().print(table)


def print_json(value: object) -> None:
    """Print JSON that any parser reads: what is not finite is null."""
    typer.echo(json.dumps(_finite(value), indent=2, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(value: object) -> str:
    """Give a number with four digits, anything else as it is, None as nothing."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def age(seconds: float) -> str:
    """Give a time span in its largest unit: 3 d, 2 h, 5 min, 40 s."""
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def seconds_since(time: object) -> float | None:
    """Give the seconds since a time as manifests have it; None where it is none."""
    try:
        then = datetime.strptime(str(time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (datetime.now(UTC) - then).total_seconds()


def size(num_bytes: float) -> str:
    """Give a size on disk: 512 B, 5.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000 or unit == "GB":
            break
        num_bytes /= 1000
    return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
