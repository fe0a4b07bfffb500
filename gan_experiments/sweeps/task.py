"""What Hydra hands to a job, and what of it works in a run alone."""

from dataclasses import dataclass
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, ListConfig

from gan_experiments.sweeps.state import Job
from gan_experiments.types import UserError


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
