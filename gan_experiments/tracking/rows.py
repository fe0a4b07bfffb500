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
