"""`python -m gan_experiments +experiment=NAME key=value ...`: compose, check, run; with -m, a sweep of runs."""

import contextlib
import errno
import functools
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_experiments.config.compose import from_hydra, register_schema, split_resumed
from gan_experiments.config.errors import COMPOSITION_ERRORS, explain, explain_plain
from gan_experiments.config.keys import override_key
from gan_experiments.config.suggestions import CONFIG_DIR, help_text
from gan_experiments.runs.launch import Launch, plan_launch
from gan_experiments.sweeps.directories import find_sweep
from gan_experiments.sweeps.jobs import run_job
from gan_experiments.sweeps.sweep import run_sweep
from gan_experiments.types import RunFailedError, UserError

STORAGE_ERRORS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR, errno.EEXIST,
}  # fmt: skip


def job(cfg: DictConfig, held: Sequence[str] = ()) -> Any:
    """Run one experiment in Hydra's output directory, go on with the run that `resume` names, or do a sweep's job.

    Args:
        cfg: from Hydra.
        held: values for the resumed run, which Hydra was not given.
    """
    hydra_config = HydraConfig.get()
    composed = from_hydra(cfg, hydra_config, [*hydra_config.overrides.task, *held])
    if hydra_config.mode is RunMode.MULTIRUN:
        return run_job(composed, hydra_config, _train)
    directory = Path(hydra_config.runtime.output_dir)
    try:
        return _train(plan_launch(composed.config, directory, composed.overrides, composed.choices))
    except Exception as error:
        sys.exit(_report(error))
    finally:
        _remove_if_empty(directory)


def _train(launch: Launch) -> Any:
    from gan_experiments.training import run  # torch takes seconds to import

    return run(launch)


def _remove_if_empty(directory: Path) -> None:
    """Remove the directory that Hydra has made, if nothing was run in it, and its empty parents below ours."""
    with contextlib.suppress(OSError):  # not empty, or gone
        directory.rmdir()
        for parent in directory.parents:
            if not parent.is_relative_to(here := Path.cwd()) or parent == here:
                break
            parent.rmdir()


def main() -> None:
    """Run the command line; 2 is the exit code of a mistake that the user can mend."""
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        directories = [path for flag, path in itertools.pairwise(words) if flag in ("--config-dir", "-cd")]
        sys.stdout.write(f"{help_text(directories)}\n")
        return
    # Hydra then raises instead of printing, so that a message can name the remedy.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    register_schema()
    # Before and after training; while it trains, both signals save first.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if len(sys.argv) == 1:
        sys.argv.append("+experiment=digits_acgan")
    try:
        sweep = find_sweep(sys.argv[1:])
        if sweep is None:
            typed = list(sys.argv)
            sys.argv[1:], held = split_resumed(sys.argv[1:])
            _launch(held, typed)
        else:
            sys.argv[1:] = sweep.arguments
            try:
                sys.exit(run_sweep(sweep, _launch))
            finally:
                _remove_if_empty(sweep.directory.absolute())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(_report(error))


def _launch(held: Sequence[str] = (), typed: Sequence[str] = ()) -> None:
    @functools.wraps(job)
    def task(cfg: DictConfig) -> Any:
        sys.argv[:] = typed or sys.argv  # the other processes of a run are started with all words
        return job(cfg, held)

    hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")(task)()


def _report(error: Exception) -> int:
    """Return what the user can do and give the exit code; what is no mistake of theirs is raised again."""
    if isinstance(error, UserError | RunFailedError):
        message = str(error)
    elif isinstance(error, COMPOSITION_ERRORS):
        message = explain(error, sys.argv[1:])
        if message.startswith("there is no hydra/"):
            message += (
                "\njoblib, submitit and optuna come with the extra sweeps: in the checkout of gan_experiments, run pip "
                "install -c constraints.txt '.[sweeps]'."
            )
    elif isinstance(error, ValueError | TypeError) and (explanation := explain_plain(error, sys.argv[1:])):
        message = explanation
    elif isinstance(error, OSError) and (error.errno in STORAGE_ERRORS or _cannot_be_made(error)):
        message = (
            f"cannot write: {error}. Make room, or write hydra.run.dir=DIRECTORY (with -m, hydra.sweep.dir), a place "
            f"that can be written; a run that has begun goes on with resume=RUN."
        )
    else:
        raise error
    sys.stderr.write(f"error: {message}\n")
    return 1 if isinstance(error, RunFailedError) else 2


def _cannot_be_made(error: OSError) -> bool:
    """Whether what is missing is the directory to be made, or one above it: its place takes none, such as /proc."""
    words = (word for word in sys.argv if override_key(word) in ("hydra.run.dir", "hydra.sweep.dir"))
    asked = [Path(word.partition("=")[2].strip("'\"")).absolute() for word in words] or [Path("outputs").absolute()]
    missing = Path(str(error.filename)).absolute()
    return error.errno == errno.ENOENT and any(place.is_relative_to(missing) for place in asked)


if __name__ == "__main__":
    main()
