"""Steps of toy discriminators."""

from collections.abc import Set as AbstractSet
from functools import partial

from torch import Tensor

from gan_experiments.losses.objective import Objective
from gan_experiments.losses.step import Network, Step
from gan_experiments.losses.zero_centered_penalty import ZeroCenteredPenalty
from gan_experiments.types import Batch, NetworkName

R1 = partial(ZeroCenteredPenalty, images="real")
R2 = partial(ZeroCenteredPenalty, images="fake")


def loss_of(
    network: NetworkName,
    objective: Objective,
    discriminator: Network,
    real: Batch,
    fake: Batch,
    due: AbstractSet[str] | None = None,
    joined: bool = False,
) -> dict[str, Tensor]:
    """The terms of one step, by default the regular ones, and their sum."""
    step = Step(network, discriminator, real, fake, joined=joined)
    return objective.loss(step, objective.regular if due is None else due)
