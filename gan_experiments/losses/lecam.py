"""LeCam regularisation: scores are held near moving averages of the other side's."""

from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor
from torch.nn.functional import relu

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step


class LeCam(LossTerm):
    """Keep D's scores from drifting away from anchors: E[max(0, r - α_F)²] + E[max(0, α_R - f)²].

    With r and f the scores of real and fake images, and the anchors α_R and α_F exponential moving averages of their
    means over a batch. Tseng et al. 2021, "Regularizing Generative Adversarial Networks under Limited Data", equation
    3; one-sided as in the authors' code, where the paper has plain squares. The averages take in the batch before they
    are used; up to step `start` of the discriminator they are its means, and the term is 0.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99  # factor of the old average
    start: NonNegativeInt = 1000  # steps of the discriminator

    def __post_init__(self) -> None:
        super().__post_init__()
        self.anchors: Tensor
        self.steps: Tensor
        self.register_buffer("anchors", torch.zeros(2))  # of real and fake scores
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def discriminator_loss(self, step: Step) -> Tensor:
        anchor_real, anchor_fake = self._averaged(step)
        loss = relu(step.real.scores - anchor_fake).square() + relu(anchor_real - step.fake.scores).square()
        return torch.where(self.steps > self.start, loss.mean(), 0.0)

    def after_step(self, step: Step) -> None:
        if step.network == "discriminator":
            self.anchors.copy_(self._averaged(step))
            self.steps.add_(1)

    def _averaged(self, step: Step) -> Tensor:
        means = torch.stack([step.real.scores.mean(), step.fake.scores.mean()]).detach()
        return torch.where(self.steps < self.start, means, torch.lerp(means, self.anchors.to(means), self.decay))
