"""The rows of a run's metrics.csv. Imports nothing heavy."""

import csv
from collections.abc import Mapping
from pathlib import Path

KIND = "kind"
"""The column that holds the kind of a row."""
SPEED = "images_per_second"
"""A column of training rows."""
CLOCKS = ("iteration", "kimg", "epoch", "discriminator_steps", "generator_steps")
"""Columns that say when, not what."""


class Row(dict[str, float]):
    """The numbers of a row by column, without empty cells; its kind is `training`, of losses, or `evaluation`."""

    def __init__(self, numbers: Mapping[str, float], kind: str = "training") -> None:
        super().__init__(numbers)
        self.kind = kind


def read_metrics(path: Path) -> list[Row]:
    """Return the rows that `read_rows` does; raises the same."""
    return read_rows(path)[0]


def read_rows(path: Path) -> tuple[list[Row], int]:
    """Read what can be read of a metrics.csv, and count the damaged lines.

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
    rows: list[Row] = []
    damaged = 0
    if lines and not lines[-1].endswith("\n"):
        del lines[-1]
        damaged += 1
    names = next(csv.reader(lines[:1]), [])
    for line in lines[1:]:
        try:
            (cells,) = csv.reader([line])
            filled = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
            kind = filled.pop(KIND, "training")
            rows.append(Row({name: float(cell) for name, cell in filled.items()}, kind))
        except (ValueError, csv.Error):
            damaged += 1
    return rows, damaged
