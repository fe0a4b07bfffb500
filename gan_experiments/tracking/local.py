"""The run's own record of its scalars: metrics.csv, written whatever other logger there is."""

from __future__ import annotations

import csv
import io
import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from gan_experiments.tracking.files import write_atomically

TRAINING_MARK = "images_per_second"
"""A column that only rows of training losses fill; a row at an evaluation leaves it empty."""


class LocalRecord(Logger):
    """Appends rows to a CSV file; a new column rewrites the file once."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns = _header(path)

    @property
    def name(self) -> str:
        """The kind of the logger."""
        return "local"

    @property
    def version(self) -> str:
        """There is one record a run."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the manifest holds the config."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row; `iteration` is among the metrics."""
        row = dict(metrics)
        new = [name for name in row if name not in self._columns]
        if new:
            rows = read_metrics(self.path)
            self._columns += new
            _rewrite(self.path, self._columns, rows)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns, restval="").writerow(row)

    def cut_back(self, iteration: int, last_row: int) -> None:
        """Forget what came after a checkpoint: rows past its iteration, and loss rows past the last one before it."""
        kept = [
            row
            for row in read_metrics(self.path)
            if row["iteration"] <= (last_row if TRAINING_MARK in row else iteration)
        ]
        _rewrite(self.path, self._columns, kept)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read a metrics.csv: one dict for each row, without empty cells; a truncated last line is left out."""
    if not path.exists():
        return []
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    whole = text[: text.rfind("\n") + 1]
    for cells in csv.DictReader(io.StringIO(whole)):
        try:
            row = {name: float(cell) for name, cell in cells.items() if cell}
        except (TypeError, ValueError):
            continue
        if math.isfinite(row.get("iteration", math.nan)):
            rows.append(row)
    return rows


def _header(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _rewrite(path: Path, columns: list[str], rows: list[dict[str, float]]) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(buffer.getvalue().encode()))
