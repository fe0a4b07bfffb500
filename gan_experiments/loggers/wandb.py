"""Weights & Biases: one run of ours is one run there, and no failure of its server ends ours."""

import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import wandb
from pytorch_lightning.utilities import rank_zero_only

from gan_experiments.loggers.base import RunInfo, RunLogger, best_effort, bin_edges
from gan_experiments.types import MetricValue

log = logging.getLogger(__name__)

STAGING = "WANDB_DATA_DIR"
SMALLEST_SIDE = 40  # pixels: smaller pictures are enlarged by whole factors, to be seen
MOST_VALUES = 50  # W&B takes 100 keys of metadata, and a protocol has some thirty


class WandbTracker(RunLogger):
    """Logs scalars, grids and histograms over kimg, a table of samples and the best generator at the end.

    Args:
        about: the run. W&B's files, those of artifacts that wait for `wandb sync` too, go below its directory.
        project: W&B project.
        entity: W&B account or team; None takes the user's default.
        group: W&B group; None: the sweep's directory in a sweep, else the experiment.
        mode: `online` or `offline`. Where online fails, the run goes on offline and says so.
        timeout_seconds: how long to wait for the server before going on offline.
        finish_timeout_seconds: how long the end of a run waits for uploads; what is missing is left to `wandb sync`.
    """

    def __init__(
        self,
        *,
        about: RunInfo,
        project: str,
        entity: str | None = None,
        group: str | None = None,
        mode: Literal["online", "offline"] = "online",
        timeout_seconds: float = 60,
        finish_timeout_seconds: float = 600,
    ) -> None:
        super().__init__(about)
        self._project = project
        self._id = about.run_ids.setdefault("wandb", uuid.uuid4().hex[:8])
        self._arguments: dict[str, Any] = {
            "dir": str(about.directory),
            "name": about.name,
            "config": dict(about.config),
            "tags": about.tags,
            "notes": about.notes,
            "project": project,
            "entity": entity,
            "group": group or about.group,
            "job_type": "train",
            "id": self._id,
            "resume": "allow",
        }
        self._mode = mode
        self._timeouts = {"init_timeout": timeout_seconds, "finish_timeout": finish_timeout_seconds}
        self._own_staging = False
        self._run: wandb.Run  # there once started

    @property
    def name(self) -> str:
        return self._project

    @property
    def version(self) -> str:
        return self._id

    @rank_zero_only
    def start(self) -> None:
        """Open the W&B run, offline if the server cannot be reached."""
        if STAGING not in os.environ:  # else artifacts would wait in the user's home, and fill it
            os.environ[STAGING] = str(self.about.directory / "wandb")
            self._own_staging = True
        try:
            self._run = self._open(self._mode)
        except (wandb.errors.Error, OSError, TimeoutError, ValueError) as error:
            reason = " ".join(str(error).split())  # a refused tag, say, takes several lines
            if self._mode == "offline":
                log.warning("W&B could not start (%s): this run is not logged there.", reason)
                return
            log.warning("W&B cannot be reached (%s): going on offline; `wandb sync` uploads the run later.", reason)
            self._mode = "offline"
            self.start()
            return
        if self._mode == "online":
            log.info("W&B: %s", self._run.url)
        # An agent of a W&B sweep gives its runs their identities.
        self._id = self.about.run_ids["wandb"] = self._run.id
        self._run.define_metric("kimg")
        self._run.define_metric("*", step_metric="kimg")
        self.started = True

    def _open(self, mode: Literal["online", "offline"]) -> wandb.Run:
        known = wandb.Settings.model_fields  # older versions wait for uploads without end
        timeouts: dict[str, Any] = {name: seconds for name, seconds in self._timeouts.items() if name in known}
        settings = wandb.Settings(console="off", silent=True, **timeouts)
        if mode == "online" and not wandb.login(prompt=False):
            raise wandb.errors.UsageError("no API key; run `wandb login` once, or choose logger=wandb_offline")
        return wandb.init(mode=mode, settings=settings, reinit="finish_previous", **self._arguments)

    @best_effort
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one row; kimg, which is among the metrics, is the axis of all others."""
        self._run.log(dict(metrics))

    @best_effort
    def log_best(self, values: Mapping[str, float]) -> None:
        """Show the best of each value so far in the summary, as `best.<key>` beside the newest as `<key>`."""
        self._run.summary.update({"best": dict(values)})

    @best_effort
    def log_grid(self, key: str, path: Path, kimg: float) -> None:
        self._run.log({key: wandb.Image(str(path)), "kimg": kimg})

    @best_effort
    def log_scores(self, scores: Mapping[str, np.ndarray], kimg: float) -> None:
        edges = bin_edges(scores)
        counts = {f"scores/{name}": np.histogram(values, edges) for name, values in scores.items()}
        self._run.log({**{key: wandb.Histogram(np_histogram=found) for key, found in counts.items()}, "kimg": kimg})

    @best_effort
    def log_samples(self, pixels: np.ndarray, labels: Sequence[int], class_names: Sequence[str], kimg: float) -> None:
        """Log a table: a row for each class with its samples side by side, or for each sample where there are none."""
        factor = -(-SMALLEST_SIDE // pixels.shape[1])
        pictures = pixels.repeat(factor, 1).repeat(factor, 2)
        if pictures.shape[-1] == 1:
            pictures = pictures[..., 0]
        if labels:
            of_class = {label: pictures[np.array(labels) == label] for label in sorted(set(labels))}
            columns: list[str | int] = ["class", "name", "samples"]
            rows = [[label, class_names[label], np.concatenate(own, axis=1)] for label, own in of_class.items()]
        else:
            columns = ["sample", "picture"]
            rows = [[position, picture] for position, picture in enumerate(pictures)]
        table = wandb.Table(columns=columns, data=[[*row[:-1], wandb.Image(row[-1])] for row in rows])
        self._run.log({"samples_by_class" if labels else "single_samples": table, "kimg": kimg})

    @best_effort
    def log_model(self, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
        """Log the best generator as a version of the artifact `generator-<run>`, with the alias `best`."""
        shown = {key: entry["value"] for key, entry in facts["values"].items()}
        metadata = {**facts, "values": dict(list(shown.items())[:MOST_VALUES])}
        artifact = wandb.Artifact(f"generator-{self._id}", type="model", metadata=metadata)
        for name, content in files.items():
            with artifact.new_file(name, mode="wb") as file:
                file.write(content)
        self._run.log_artifact(artifact, aliases=["best"])

    @best_effort
    def alert(self, name: str, message: str) -> None:
        self._run.alert(title=name, text=message)

    @rank_zero_only
    def close(self, results: Mapping[str, Any], exit_code: int) -> None:
        """Write the summary and finish the W&B run, marked as failed unless the exit code is 0."""
        if self.started:
            try:
                self._run.summary.update(_flat(results))
                self._run.finish(exit_code=exit_code)
            except Exception as error:  # whatever W&B raises, the run's own record is complete
                log.warning("W&B could not be finished: %s", error)
        self.started = False
        if self._own_staging:
            os.environ.pop(STAGING, None)


def _flat(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results with a hash of each value's protocol: values are compared only where these are equal."""
    values = results.get("evaluation", {}).get("values", {})
    protocols = {key: MetricValue.from_json(key, entry).protocol_hash for key, entry in values.items()}
    plain = {key: value for key, value in results.items() if key != "evaluation"}
    return plain | ({"protocol": protocols} if protocols else {})
