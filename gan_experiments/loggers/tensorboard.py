"""TensorBoard: event files in the run's directory, over images seen."""

import logging
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from PIL import Image
from pytorch_lightning.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import FileWriter
from torch.utils.tensorboard.summary import histogram, hparams, text

from gan_experiments.loggers.base import RunInfo, RunLogger, best_effort, bin_edges

log = logging.getLogger(__name__)


class TensorBoardTracker(RunLogger):
    """Logs scalars, grids and histograms; the x axis, which TensorBoard calls step, counts real images drawn.

    `tensorboard --logdir outputs` shows runs side by side, each under the name of its directory.

    Args:
        about: the run. The event files go to `tensorboard/` in its directory.
        flush_seconds: how long an event may wait before it is on disk, to be seen.
    """

    def __init__(self, *, about: RunInfo, flush_seconds: float = 10) -> None:
        super().__init__(about)
        self._flush_seconds = flush_seconds
        self._writer: FileWriter  # there once started
        self._step = -1  # the newest

    @property
    def name(self) -> str:
        return "tensorboard"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def start(self) -> None:
        try:
            self._writer = FileWriter(str(self.about.directory / "tensorboard"), flush_secs=self._flush_seconds)
        except OSError as error:
            log.warning("TensorBoard could not start (%s): this run is not logged there.", error)
            return
        self.started = True
        config = OmegaConf.to_yaml(OmegaConf.create(dict(self.about.config)))
        self._show("about", f"{self.about.name}\n\n{', '.join(self.about.tags)}\n\n{self.about.notes}")
        self._show("config", textwrap.indent(config, "    "))  # which Markdown leaves as it is

    @best_effort
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one row, as one event; kimg, which is among the metrics, is the axis."""
        values = [Summary.Value(tag=key, simple_value=value) for key, value in metrics.items() if key != "kimg"]
        self._add(Summary(value=values), metrics["kimg"])

    @best_effort
    def log_grid(self, key: str, path: Path, kimg: float) -> None:
        with Image.open(path) as image:
            width, height = image.size
        picture = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=path.read_bytes())
        self._add(Summary(value=[Summary.Value(tag=key, image=picture)]), kimg)

    @best_effort
    def log_scores(self, scores: Mapping[str, np.ndarray], kimg: float) -> None:
        edges = bin_edges(scores)
        for name, values in scores.items():
            self._add(histogram(f"scores/{name}", values, edges), kimg)  # type: ignore[no-untyped-call]

    @best_effort
    def alert(self, name: str, message: str) -> None:
        self._show(f"alarms/{name}", message)

    @best_effort
    def close(self, results: Mapping[str, Any], exit_code: int) -> None:
        """Write which choices led to which values, for the table of runs, and close the file."""
        self.started = False
        values = {key: value for key, value in results.items() if "/" in key}
        choices = {group: str(choice) for group, choice in self.about.config["choices"].items()}
        for part in hparams(choices | {"seed": self.about.config["seed"]}, values):  # type: ignore[no-untyped-call]
            self._writer.add_summary(part)
        self._writer.close()

    def _show(self, tag: str, content: str) -> None:
        self._writer.add_summary(text(tag, content), max(self._step, 0))  # type: ignore[no-untyped-call]

    def _add(self, summary: Summary, kimg: float) -> None:
        """Write values; where time has gone back, by resuming or a rollback, what followed it is taken back.

        Each session writes a file of its own, so its first value says where it goes on.
        """
        step = round(kimg * 1000)
        if step < self._step or self._step < 0:
            self._writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)
        self._step = step
        self._writer.add_summary(summary, step)
