"""`python -m gan_experiments +experiment=NAME key=value ...`: compose, check, run."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_experiments.config import CONFIG_DIR, register_schema
from gan_experiments.explain import COMPOSITION_ERRORS, explain
from gan_experiments.runs import plan_launch, resuming
from gan_experiments.types import UserError

STORAGE_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR}
PLACE_ERRORS = {*STORAGE_ERRORS, errno.ENOENT, errno.EEXIST, errno.ENAMETOOLONG}
HYDRA_FLAGS = (
    "help", "hydra-help", "version", "cfg", "resolve", "package", "run", "multirun", "shell-completion", "config-path",
    "config-name", "config-dir", "experimental-rerun", "info",
)  # fmt: skip


class RunFailedError(Exception):
    """A run that had begun could not go on; shown without a traceback, the exit code is 1."""


def job(cfg: DictConfig) -> Any:
    """Run one experiment in Hydra's output directory, or go on with the run that `resume` names."""
    hydra_config = HydraConfig.get()
    directory = Path(hydra_config.runtime.output_dir)
    try:
        return _run(cfg, hydra_config, directory)
    except (UserError, RunFailedError) as error:
        if hydra_config.mode is RunMode.MULTIRUN:  # Hydra goes on with the other jobs, and raises it at the end
            raise
        sys.exit(_fail(str(error), 2 if isinstance(error, UserError) else 1))
    finally:
        _remove_if_empty(directory)


def _remove_if_empty(directory: Path) -> None:
    """Take back the directory that Hydra has made, where nothing was run in it, and its empty parents below ours."""
    with contextlib.suppress(OSError):  # not empty, or gone
        directory.rmdir()
        for parent in directory.parents:
            if not parent.is_relative_to(here := Path.cwd()) or parent == here:
                break
            parent.rmdir()


def _run(cfg: DictConfig, hydra_config: Any, directory: Path) -> Any:
    choices = {
        group: choice for group, choice in hydra_config.runtime.choices.items() if not group.startswith("hydra/")
    }
    launch = plan_launch(cfg, directory, list(hydra_config.overrides.task), choices)
    from gan_experiments.callbacks.record import DivergenceError
    from gan_experiments.train import run

    try:
        return run(launch)
    except DivergenceError as error:
        raise RunFailedError(f"{error}\nThe run is in {launch.directory}") from error
    except OSError as error:
        if error.errno not in STORAGE_ERRORS:
            raise
        left = f"The run is in {launch.directory}; once there is room, go on with {resuming(launch.directory)}"
        raise RunFailedError(f"cannot write: {error}\n{left}") from error


def main() -> None:
    """Run the command line; 2 is the exit code of a mistake that the user can mend."""
    # Hydra then raises instead of printing, so that a message can name the remedy.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    register_schema()
    # Before and after training; while it trains, both signals save first.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if len(sys.argv) == 1:
        sys.argv.append("+experiment=digits_acgan")
    try:
        _check_dashes(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")(job)()
    except UserError as error:
        sys.exit(_fail(str(error), 2))
    except RunFailedError as error:
        sys.exit(_fail(str(error), 1))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted", 130))
    except COMPOSITION_ERRORS as error:
        sys.exit(_fail(explain(error, sys.argv[1:]), 2))
    except ValueError as error:  # Hydra's own, where a group is set to a number or to null
        if not str(error).startswith("Config group override must be"):
            raise
        sys.exit(_fail("a group is set to a number or to null: write group=NAME; --help lists the names", 2))
    except OSError as error:  # not from a job, which reports its own: Hydra makes its directory before it
        if error.errno not in PLACE_ERRORS:
            raise
        message = f"the run directory cannot be made: {error}. Write hydra.run.dir=DIRECTORY (with -m, hydra.sweep.dir)"
        sys.exit(_fail(f"{message}, a directory in a place that can be written.", 2))


def _check_dashes(arguments: list[str]) -> None:
    """Refuse `--key=value` in one line; the parser would print its whole usage.

    Raises:
        UserError: an override is written with dashes.
    """
    for word in arguments:
        option = re.match(r"--([^=]+)=(.*)", word)
        if option and not any(flag.startswith(option.group(1)) for flag in HYDRA_FLAGS):
            raise UserError(f"{word}: keys are written without dashes, {option.group(1)}={option.group(2)}")


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"error: {message}\n")
    return code


if __name__ == "__main__":
    main()
