"""A generator whose samples become alike."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from gan_experiments.callbacks.alarms.base import Alarm, AlarmInputs


@dataclass(kw_only=True)
class ModeCollapse(Alarm):
    """`class_coverage` or `feature_diversity` falls below a share of its own best value, or stays low for too long.

    Args:
        falls_to: share of the best value so far, below which the alarm is triggered.
        below: limit for either value, in itself.
        after_kimg: from when on `below` counts; a generator that has just begun has little variety.
    """

    falls_to: NonNegativeFloat = 0.5
    below: NonNegativeFloat = 0.3
    after_kimg: NonNegativeFloat = 400.0

    watches: ClassVar[Literal["losses", "evaluation"]] = "evaluation"

    def check(self, inputs: AlarmInputs) -> str:
        watched = {
            key: value
            for key, value in inputs.evaluation.items()
            if key.partition("/")[0] in ("class_coverage", "feature_diversity")
        }
        self.state |= {key: max(value, self.state.get(key, 0.0)) for key, value in watched.items()}
        for key, value in watched.items():
            best = self.state[key]
            if value < self.falls_to * best or (value < self.below and inputs.kimg >= self.after_kimg):
                return (
                    f"the samples are alike: {key} is {value:.2g}, at its best {best:.2g}. Go back to an earlier "
                    "checkpoint (alarms.mode_collapse.action=rollback), add +loss/term=r1, or train on more images."
                )
        return ""
