"""One job of a sweep, in whichever process: train it, resume it, or find it finished; it fails alone."""

import contextlib
import functools
import gc
import hashlib
import logging
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from hydra.conf import HydraConf
from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_experiments.config.compose import Composition
from gan_experiments.config.errors import COMPOSITION_ERRORS, explain
from gan_experiments.runs.launch import Launch, plan_launch
from gan_experiments.runs.manifest import FILE, Evaluation
from gan_experiments.runs.run import RUN_FILES, Run, locked
from gan_experiments.sweeps.directories import identify, job_name, varying_values
from gan_experiments.sweeps.state import JOBS, Job, SweepSession, find_session
from gan_experiments.types import MetricValue, RunFailedError, UserError

log = logging.getLogger(__name__)
STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM}
"""Exit codes of a run that a signal has stopped, and that has saved."""
POLL_SECONDS = 0.5
Train = Callable[[Launch], Mapping[str, Any]]
"""Trains a run and returns its results."""


class RunInUseError(UserError):
    """Another process trains in the job's run directory."""


def run_job(composed: Composition, hydra: HydraConf, train: Train) -> float | None:
    """Run one job and write its state; return the objective for the sweeper, None where there is none.

    A failed job returns None too: Optuna's sweeper takes that for a failed trial, but ends the study at nan.

    Args:
        composed: the job's config, from the overrides that the sweeper has made of the sweep's.
        hydra: Hydra's own config.
        train: trains a run.

    Raises:
        SystemExit, KeyboardInterrupt: the sweep ends here, or the job is to be queued again.
        UserError: Optuna looks for the worst value.
    """
    directory = Path(hydra.runtime.cwd, hydra.sweep.dir)
    session = find_session(directory)
    if session.stopped:
        return None
    is_worker = session.is_parent
    if is_worker:
        _stop_when_ended(session.pid)
    job = _new_job(composed.overrides, hydra, session)
    try:
        with _exiting_on_sigterm():
            _run(composed, hydra, job, directory, train)
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
        job.write(directory)
        _clear_memory()
    if is_worker and _has_ended(session.pid):  # nobody is left to start another job in this process
        os._exit(128 + signal.SIGTERM)
    _check_direction(hydra, job)
    return job.objective


@functools.cache  # once in a process, whatever the number of its jobs
def _stop_when_ended(pid: int) -> None:
    """Let this process save and stop when the sweep's is killed, and not train on unnoticed."""

    def wait() -> None:
        while not _has_ended(pid):
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def _has_ended(pid: int) -> bool:
    """Whether a process has ended; its parent may not have collected its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _new_job(overrides: list[str], hydra: HydraConf, session: SweepSession) -> Job:
    varying = varying_values(overrides, session.overrides, hydra.sweeper.get("params"))
    digest = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8]  # until its identity is known
    return Job(
        name=f"{job_name(varying)}-{digest}",
        overrides=overrides,
        varying=varying,
        number=int(hydra.job.num),
        session=session.identity,
    )


def _run(composed: Composition, hydra: HydraConf, job: Job, directory: Path, train: Train) -> None:
    no_run = directory / JOBS
    planned = plan_launch(composed.config, no_run, composed.overrides, composed.choices)
    _check_config(planned.config, hydra)
    job.identity = identify(_plain(planned.config), job.varying)
    (directory / JOBS / f"{job.name}.json").unlink(missing_ok=True)
    job.run = job.name = f"{job_name(job.varying)}-{job.identity}"
    run = Run.read(directory / job.run)
    job.seconds = run.seconds
    results: Mapping[str, Any] = run.results if run.state == "finished" else {}
    if results:
        job.finished_before = True
        log.info("Job %d, %s, is finished already.", job.number, job.name)
    else:
        launch = _plan(planned, run, job)
        if find_session(directory).stopped:
            job.state = "interrupted"
            return
        job.write(directory)
        log.info("Job %d: %s", job.number, job.name)
        began = time.perf_counter()
        try:
            results = train(launch)
        finally:
            job.seconds += time.perf_counter() - began
    job.state, job.best = "finished", best_value(results)


def _check_config(config: DictConfig, hydra: HydraConf) -> None:
    """Raise `UserError` for what works in a run but not in a sweep."""
    devices = config.trainer.get("devices", 1)
    count = len(devices) if isinstance(devices, ListConfig) else devices
    if str(count) != "1":  # the processes of a run start its command again, and here that is the whole sweep's
        raise UserError(f"trainer.devices={devices}: a job of a sweep trains on one device. Write trainer.devices=1.")
    if "optuna" in str(hydra.sweeper.get("_target_")) and config.evaluation.best is None:
        raise UserError(
            "evaluation.best=null: Optuna needs a value to optimize. Write evaluation=standard, or "
            "evaluation.best=NAME."
        )


def _check_direction(hydra: HydraConf, job: Job) -> None:
    """Raise `UserError` if Optuna minimizes what is better when higher, or the other way round."""
    direction = str(hydra.sweeper.get("direction", "")).rpartition(".")[2].lower()
    if job.best is None or direction not in ("minimize", "maximize"):
        return
    right = "maximize" if job.best.spec.higher_is_better else "minimize"
    if direction != right:
        raise UserError(
            f"the sweep would {direction} {job.best.key}, the value of evaluation.best: write "
            f"hydra.sweeper.direction={right}."
        )


def _plan(planned: Launch, run: Run, job: Job) -> Launch:
    """Return what is to be trained in the job's run directory, where no finished run lies.

    What is left there of a run without checkpoints is removed.

    Raises:
        UserError: the directory is in use, holds another run, or more than a run of this job.
    """
    directory = run.directory
    if run.state == "running":
        raise RunInUseError(f"another process is training in {directory}: wait for it, or stop it first.")
    if not (directory / FILE).exists():
        return replace(planned, directory=directory)
    if identify(run.config, job.varying) != job.identity:
        raise UserError(
            f"{directory} holds something else than this job's run ({run.problem or 'another config'}): move it."
        )
    if run.whole_checkpoints:
        return replace(planned, directory=directory, resumed=run)
    entries = {path.name for path in directory.iterdir()}
    if not entries <= RUN_FILES or any(directory.glob("checkpoints/*.pt")):
        raise UserError(
            f"{directory} cannot be resumed, and holds more than a run without checkpoints leaves: move it, or what is "
            "yours in it, and start the sweep again."
        )
    with locked(directory):
        shutil.rmtree(directory)
    return replace(planned, directory=directory)


def _fail(job: Job, directory: Path, error: Exception) -> None:
    job.state = "running" if isinstance(error, RunInUseError) else "failed"
    has_begun = job.run is not None and (directory / job.run / FILE).exists()
    job.refused = isinstance(error, (UserError, *COMPOSITION_ERRORS)) and not has_begun
    if isinstance(error, COMPOSITION_ERRORS):
        text = explain(error)
    elif isinstance(error, UserError | RunFailedError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
        job.traceback = "".join(traceback.format_exception(error))
    job.error = " ".join(text.split())
    log.error("Job %d, %s, failed: %s", job.number, job.name, job.error)


def best_value(results: Mapping[str, Any]) -> MetricValue | None:
    """Return the best value of `evaluation.best` during a run; None where nothing was measured."""
    evaluation = Evaluation(**results.get("evaluation", {}))
    best = evaluation.best
    if best.get("value") is None:
        return None
    last = evaluation.values.get(best["key"], {})  # the last value of the same measure
    facts: dict[str, Any] = {name: last[name] for name in ("protocol", "higher_is_better", "part_of") if name in last}
    content = {"protocol": {}, **facts, "value": best["value"], "kimg": best.get("kimg")}
    return MetricValue.from_json(best["key"], content)


def _plain(config: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(config)
    return dict(content)


@contextlib.contextmanager
def _exiting_on_sigterm() -> Iterator[None]:
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
