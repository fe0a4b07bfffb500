"""The run's own record of its scalars: metrics.csv, written whatever other logger there is."""

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from gan_experiments.io import write_atomically
from gan_experiments.runs.metrics_csv import KIND, Row, read_metrics


class LocalRecord(Logger):
    """Appends rows to a CSV file; a new column rewrites the file once."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns: dict[str, None] = {}

    @property
    def name(self) -> str:
        return "local"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        pass

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row, of losses unless it is a `Row` of another kind; `iteration` is among the metrics."""
        row = metrics if isinstance(metrics, Row) else Row(metrics)
        if row.keys() <= self._columns.keys():
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns).writerow({KIND: row.kind, **row})
        else:
            self._rewrite([*read_metrics(self.path), row])

    def cut_back(self, last_evaluation: int, last_row: int) -> None:
        """Forget what came after a checkpoint: evaluations past the last one before it, and so with rows of losses."""
        rows = read_metrics(self.path)
        limits = {"training": last_row, "evaluation": last_evaluation}
        self._rewrite([row for row in rows if row["iteration"] <= limits[row.kind]])

    def _rewrite(self, rows: list[Row]) -> None:
        self._columns = dict.fromkeys([KIND, *(name for row in rows for name in row)])
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, self._columns)
        writer.writeheader()
        writer.writerows({KIND: row.kind, **row} for row in rows)
        write_atomically(self.path, lambda file: file.write(buffer.getvalue().encode()))
