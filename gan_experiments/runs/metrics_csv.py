"""The rows of a run's metrics.csv. Imports nothing heavy."""

import csv
from pathlib import Path

TRAINING_MARK = "images_per_second"
"""A column that only rows of training losses fill; a row at an evaluation leaves it empty."""
CLOCKS = ("iteration", "kimg", "epoch", "discriminator_steps", "generator_steps")
"""Columns that say when, not what."""


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the rows that `read_rows` does; raises the same."""
    return read_rows(path)[0]


def read_rows(path: Path) -> tuple[list[dict[str, float]], int]:
    """Read what can be read of a metrics.csv, one dict for each row, without empty cells; count the damaged lines too.

    The file may be missing, or end in the middle of a line; a line with too few cells, or a word for a number, is left
    out.

    Raises:
        OSError: it is there and cannot be read; whoever writes it must not take it for an empty one.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except (FileNotFoundError, NotADirectoryError):
        return [], 0
    rows, damaged = [], 0
    if lines and not lines[-1].endswith("\n"):
        del lines[-1]
        damaged += 1
    names = next(csv.reader(lines[:1]), [])
    for line in lines[1:]:
        try:
            (cells,) = csv.reader([line])
            rows.append({name: float(cell) for name, cell in zip(names, cells, strict=True) if cell})
        except (ValueError, csv.Error):
            damaged += 1
    return rows, damaged
