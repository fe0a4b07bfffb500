"""The rows of a run's metrics.csv. Imports nothing heavy."""

import csv
from pathlib import Path

TRAINING_MARK = "images_per_second"
"""A column that only rows of training losses fill; a row at an evaluation leaves it empty."""


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read a metrics.csv: one dict for each row, without empty cells; a truncated last line is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        whole = [line for line in file if line.endswith("\n")]
    return [{name: float(cell) for name, cell in cells.items() if cell} for cells in csv.DictReader(whole)]


def read_rows(path: Path) -> tuple[list[dict[str, float]], int]:
    """Read what can be read of a metrics.csv in any state, without empty cells; gives the number of damaged lines too.

    The file may be missing, or end in the middle of a line; a line with too few cells, or a word for a number, is left
    out.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:
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
