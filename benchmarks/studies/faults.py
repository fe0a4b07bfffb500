"""Faults to be put into a run, to see what becomes of it."""

import itertools

from pydantic import PositiveInt
from torch import Tensor

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step

calls = itertools.count(1)


class Spike(LossTerm):
    """One step of the generator with a loss of the order of 1e8, after which Adam's second moments are ruined.

    It happens once in a process, as a bad batch or a flipped bit does: after a rollback it does not come again.
    Steps are counted from the start of the process, so such a run is not to be resumed.

    Args:
        at_call: the step of the generator, from 1.
    """

    at_call: PositiveInt

    def generator_loss(self, step: Step) -> Tensor:
        """Return zero, or the spike."""
        return step.fake.images.square().mean() * (1e8 if next(calls) == self.at_call else 0.0)
