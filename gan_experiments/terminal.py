"""Printing on a terminal: cells that nothing interprets, JSON for scripts."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 1000  # characters


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
    # A terminal has a width; in a file or a pipe, paths are to stay whole.
    is_wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    Console(width=WIDE if is_wide else None).print(table)


def print_json(value: object) -> None:
    """Print JSON that any parser reads: what is not finite is null."""
    typer.echo(json.dumps(_finite(value), indent=2, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
