"""One job of a sweep, in whichever process: train it, go on with it, or see that it is finished; fail alone."""

import contextlib
import ctypes
import gc
import hashlib
import logging
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_experiments.config.errors import COMPOSITION_ERRORS, explain
from gan_experiments.runs.launch import Launch, plan_launch
from gan_experiments.runs.manifest import FILE
from gan_experiments.runs.run import RUN_FILES, Run, locked
from gan_experiments.sweeps.place import identify, readable, varying_values
from gan_experiments.sweeps.state import JOBS, Job, Session
from gan_experiments.types import RunFailedError, UserError

log = logging.getLogger(__name__)
STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM}
"""Exit codes of a run that a signal has stopped, and that has saved."""
PR_SET_PDEATHSIG = 1  # of prctl(2), Linux
Train = Callable[[Launch], Any]


class ElsewhereError(UserError):
    """Another process is at the job's run."""


@dataclass(frozen=True)
class Task:
    """What Hydra hands to a job."""

    config: DictConfig
    hydra: HydraConf
    choices: dict[str, Any]

    @property
    def overrides(self) -> list[str]:
        """The job's own, as the sweeper has made them of the sweep's."""
        return [str(word) for word in self.hydra.overrides.task]


def check(config: DictConfig, task: Task) -> None:
    """Refuse what works in a run alone.

    Raises:
        UserError: says what to write.
    """
    devices = config.trainer.get("devices", 1)
    count = len(devices) if isinstance(devices, ListConfig) else devices
    if str(count) != "1":  # the processes of a run start its command again, and here that is the whole sweep's
        raise UserError(f"trainer.devices={devices}: a job of a sweep trains on one device. Write trainer.devices=1.")
    if "optuna" in str(task.hydra.sweeper.get("_target_")) and config.evaluation.best is None:
        raise UserError(
            "evaluation.best=null: Optuna needs a value to go by. Write evaluation=standard, or evaluation.best=NAME."
        )


def check_direction(task: Task, job: Job) -> None:
    """Refuse to go on where Optuna minimizes what is better when higher, or the other way round.

    Raises:
        UserError: says what to write.
    """
    direction = str(task.hydra.sweeper.get("direction", "")).rpartition(".")[2].lower()
    if job.measure is None or direction not in ("minimize", "maximize"):
        return
    right = "maximize" if job.measure["higher_is_better"] else "minimize"
    if direction != right:
        raise UserError(
            f"the sweep would {direction} {job.measure['key']}, the value of evaluation.best: write "
            f"hydra.sweeper.direction={right}."
        )


def run_job(task: Task, train: Train) -> float | None:
    """Do one job and write down how it went; gives the sweeper its objective, None where there is none.

    A failed job gives None too: Optuna's sweeper takes that for a failed trial, but breaks off at nan.

    Raises:
        SystemExit, KeyboardInterrupt: the sweep ends here, or the job is to be queued again.
        UserError: Optuna looks for the worst value.
    """
    directory = Path(task.hydra.runtime.cwd, task.hydra.sweep.dir)
    session = Session.read(directory)
    if session.stopped:
        return None
    is_worker = session.is_parent
    if is_worker:
        _end_with_parent()
    job = _new_job(task, session)
    began = time.perf_counter()
    try:
        with _leaving_on_sigterm():
            _do(task, job, directory, train)
    except Exception as error:
        _fail(job, directory, error)
    except (KeyboardInterrupt, SystemExit) as stop:
        code = 128 + signal.SIGINT if isinstance(stop, KeyboardInterrupt) else stop.code
        if code in STOPPED or "SUBMITIT_FOLDER" in os.environ:  # submitit leaves so to queue the job again
            job.state = "interrupted"
            if session.is_here or code not in STOPPED:
                raise
        else:
            _fail(job, directory, RunFailedError(f"code of the run has left Python with exit code {code}"))
    finally:
        _write_down(job, directory, time.perf_counter() - began)
        _clear_memory()
    if is_worker and not session.is_parent:  # it was killed: no one is left to give this process another job
        os._exit(128 + signal.SIGTERM)
    check_direction(task, job)
    return job.objective


def _end_with_parent() -> None:
    """Let this process save and stop when the one that started it is killed, and not train on unseen."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _new_job(task: Task, session: Session) -> Job:
    varying = varying_values(task.overrides, session.overrides, task.hydra.sweeper.get("params"))
    digest = hashlib.sha256("\n".join(task.overrides).encode()).hexdigest()[:8]  # until its identity is known
    return Job(
        name=f"{readable(varying)}-{digest}",
        overrides=task.overrides,
        varying=varying,
        number=int(task.hydra.job.num),
        session=session.identity,
    )


def _do(task: Task, job: Job, directory: Path, train: Train) -> None:
    launch = _plan(task, job, directory)
    if launch is None:
        job.is_older = True
        log.info("Job %d, %s, is finished already.", job.number, job.name)
    elif Session.read(directory).stopped:
        job.state = "interrupted"
        return
    else:
        job.write(directory)
        log.info("Job %d: %s", job.number, job.name)
        train(launch)
    job.state = "finished"


def _plan(task: Task, job: Job, directory: Path) -> Launch | None:
    """Find the job's run directory and say what is left to do there; None: nothing.

    Raises:
        UserError: the config cannot work, or the directory is not the job's alone.
    """
    planned = plan_launch(task.config, directory / JOBS, task.overrides, task.choices)  # where no run lies
    check(planned.config, task)
    job.identity = identify(_plain(planned.config), job.varying)
    (directory / JOBS / f"{job.name}.json").unlink(missing_ok=True)
    job.run = job.name = f"{readable(job.varying)}-{job.identity}"
    run = directory / job.run
    found = Run.read(run)
    if found.state == "finished" and found.results:
        return None
    if found.state == "running":
        raise ElsewhereError(f"another process is training in {run}: wait for it, or stop it first.")
    if not (run / FILE).exists():
        return replace(planned, directory=run)
    if found.whole_checkpoints:
        task.config.resume = str(run)
        return plan_launch(task.config, run, task.overrides, task.choices)
    _remove(run, found, job)
    return replace(planned, directory=run)


def _remove(run: Path, found: Run, job: Job) -> None:
    """Remove what is left of this very job where nothing can be gone on with.

    Raises:
        UserError: it is not certain that it is this job's.
    """
    if identify(found.config, job.varying) != job.identity:
        raise UserError(
            f"{run} holds something else than this job's run ({found.problem or 'another config'}): move it."
        )
    entries = {path.name for path in run.iterdir()}
    if not entries <= RUN_FILES or any(run.glob("checkpoints/*.pt")):
        raise UserError(
            f"{run} cannot be gone on with, and holds more than a run without checkpoints leaves: move it, or what is "
            "yours in it, and start the sweep again."
        )
    with locked(run):
        shutil.rmtree(run)


def _fail(job: Job, directory: Path, error: Exception) -> None:
    job.state = "running" if isinstance(error, ElsewhereError) else "failed"
    has_begun = job.run is not None and (directory / job.run / FILE).exists()
    job.is_mistake = isinstance(error, (UserError, *COMPOSITION_ERRORS)) and not has_begun
    if isinstance(error, COMPOSITION_ERRORS):
        text = explain(error)
    elif isinstance(error, UserError | RunFailedError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
        job.traceback = "".join(traceback.format_exception(error))
    job.error = " ".join(text.split())
    log.error("Job %d, %s, failed: %s", job.number, job.name, job.error)


def _write_down(job: Job, directory: Path, seconds: float) -> None:
    job.seconds = seconds
    if job.run is not None:
        found = Run.read(directory / job.run)
        if found.config:
            job.seconds = found.seconds
        if job.state == "finished":
            job.objective, job.measure = measured(found)
    job.write(directory)


def measured(record: Run) -> tuple[float | None, dict[str, Any] | None]:
    """Return a run's best value of `evaluation.best`, and what it is: key, protocol, which way is better."""
    best = record.best
    if best.get("value") is None:
        return None, None
    entry = record.evaluation.values.get(best["key"], {})
    measure = {"key": best["key"], "higher_is_better": entry.get("higher_is_better", False)}
    return float(best["value"]), measure | {"protocol": entry.get("protocol", {})}


def _plain(config: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(config)
    return dict(content)


@contextlib.contextmanager
def _leaving_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is done before and after training too; while it trains, it saves first."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _clear_memory() -> None:
    """Leave nothing of this job to the next one in the process."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
