"""`python -m gan_experiments +experiment=NAME key=value ...`: compose, check, run."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from gan_experiments.config import CONFIG_DIR, explain, register_schema
from gan_experiments.runs import plan_launch
from gan_experiments.types import UserError

STORAGE_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR}


def job(cfg: DictConfig) -> Any:
    """Run one experiment in Hydra's output directory, or go on with the run that `resume` names."""
    hydra_config = HydraConfig.get()
    directory = Path(hydra_config.runtime.output_dir)
    choices = {
        group: choice for group, choice in hydra_config.runtime.choices.items() if not group.startswith("hydra/")
    }
    try:
        launch = plan_launch(cfg, directory, list(hydra_config.overrides.task), choices)
        from gan_experiments.train import run

        return run(launch)
    finally:
        # Hydra has made the directory. Where nothing was run in it, it goes again.
        with contextlib.suppress(OSError):
            os.removedirs(directory)


def main() -> None:
    """Run the command line; 2 is the exit code of a mistake that the user can mend."""
    # Hydra then raises instead of printing, so that a message can name the remedy.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    register_schema()
    try:
        hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")(job)()
    except UserError as error:
        sys.exit(_fail(str(error), 2))
    except (HydraException, OmegaConfBaseException) as error:
        sys.exit(_fail(explain(error, sys.argv[1:]), 2))
    except OSError as error:
        if error.errno not in STORAGE_ERRORS:
            raise
        sys.exit(_fail(f"cannot write: {error}", 1))


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"error: {message}\n")
    return code


if __name__ == "__main__":
    main()
