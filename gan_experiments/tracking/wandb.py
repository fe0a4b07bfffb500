"""Weights & Biases: one run of ours is one run there, and no failure of its server ends ours."""

import contextlib
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import wandb
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

log = logging.getLogger(__name__)


class WandbTracker(Logger):
    """Logs scalars over kimg, grids, the resolved config, tags and group.

    Args:
        directory: the run directory; W&B's files go below it.
        name: display name of the run.
        config: what to show as the run's config: the resolved config and the group choices.
        tags: tags of the run.
        notes: notes of the run.
        project: W&B project.
        entity: W&B account or team; None takes the user's default.
        group: W&B group; None leaves the run ungrouped.
        mode: `online` or `offline`. Where online fails, the run goes on offline and says so.
        run_ids: identities of runs by tracker; a resumed run finds its own there, a new one writes it.
        timeout_seconds: how long to wait for the server before going on offline.
    """

    def __init__(
        self,
        *,
        directory: Path,
        name: str,
        config: Mapping[str, Any],
        tags: list[str],
        notes: str,
        project: str,
        entity: str | None = None,
        group: str | None = None,
        mode: Literal["online", "offline"] = "online",
        run_ids: dict[str, str],
        timeout_seconds: float = 60,
    ) -> None:
        super().__init__()
        self._project = project
        self._id = run_ids.setdefault("wandb", uuid.uuid4().hex[:8])
        self._arguments: dict[str, Any] = {
            "dir": str(directory),
            "name": name,
            "config": dict(config),
            "tags": tags,
            "notes": notes,
            "project": project,
            "entity": entity,
            "group": group,
            "id": self._id,
            "resume": "allow",
        }
        self._mode = mode
        self._timeout = timeout_seconds
        self._run: wandb.Run | None = None

    @property
    def name(self) -> str:
        """The W&B project."""
        return self._project

    @property
    def version(self) -> str:
        """The identity of the W&B run."""
        return self._id

    @rank_zero_only
    def start(self) -> None:
        """Open the W&B run, offline if the server cannot be reached."""
        try:
            self._run = self._open(self._mode)
        except (wandb.errors.Error, OSError, TimeoutError) as error:
            if self._mode == "offline":
                log.warning("W&B could not start (%s): this run is not logged there.", error)
                return
            log.warning("W&B cannot be reached (%s): going on offline; `wandb sync` uploads the run later.", error)
            self._mode = "offline"
            self.start()
            return
        if self._run.url:
            log.info("W&B: %s", self._run.url)
        self._run.define_metric("kimg")
        self._run.define_metric("*", step_metric="kimg")

    def _open(self, mode: Literal["online", "offline"]) -> wandb.Run:
        settings = wandb.Settings(init_timeout=self._timeout, console="off", silent=True)
        if mode == "online" and not wandb.login(prompt=False):
            raise wandb.errors.UsageError("no API key; run `wandb login` once, or choose logger=wandb_offline")
        return wandb.init(mode=mode, settings=settings, reinit="finish_previous", **self._arguments)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the config was given when the run was opened."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one row; kimg, which is among the metrics, is the axis of all others."""
        self._log(dict(metrics))

    @rank_zero_only
    def log_grid(self, key: str, path: Path, kimg: float) -> None:
        """Log one picture."""
        if self._run is not None:
            self._log({key: wandb.Image(str(path)), "kimg": kimg})

    @rank_zero_only
    def alert(self, name: str, message: str) -> None:
        """Send an alert."""
        if self._run is not None:
            with contextlib.suppress(Exception):  # whatever W&B raises, the message is in the log
                self._run.alert(title=name, text=message)

    def _log(self, values: dict[str, Any]) -> None:
        if self._run is None:
            return
        try:
            self._run.log(values)
        except Exception as error:  # whatever W&B raises, training goes on; the run's own record is complete
            log.warning("W&B takes no more (%s: %s); the run goes on without it.", type(error).__name__, error)
            self._run = None

    @rank_zero_only
    def close(self, results: Mapping[str, Any], exit_code: int) -> None:
        """Write the summary and finish the W&B run, marked as failed unless the exit code is 0."""
        if self._run is None:
            return
        try:
            self._run.summary.update(dict(results))
            self._run.finish(exit_code=exit_code)
        except Exception as error:  # whatever W&B raises, the run's own record is complete
            log.warning("W&B could not be finished: %s", error)
        self._run = None
