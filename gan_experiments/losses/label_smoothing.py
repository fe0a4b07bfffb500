"""Label smoothing of the sigmoid cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gan_experiments.losses.base import Judged, LossTerm
from gan_experiments.types import UserError


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(LossTerm):
    """What softer targets add to D's binary cross-entropy; belongs with `NonSaturating` or `Minimax` of equal weight.

    BCE(σ(s), t) = softplus(-s) + (1 - t)·s = softplus(s) - t·s, so targets real_target and fake_target in place of 1
    and 0 add (1 - real_target)·E[r] - fake_target·E[f], with r and f the scores of real and fake images. Without the
    cross-entropy this sum has no bound. Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.4,
    which smooths the real side only.

    Raises:
        UserError: a target is no probability.
    """

    real_target: float = 0.9  # probability of being real that D is to give real images
    fake_target: float = 0.0  # the same for fake images; 0 is one-sided smoothing

    def __post_init__(self) -> None:
        for name, target in (("real_target", self.real_target), ("fake_target", self.fake_target)):
            if not 0 <= target <= 1:
                raise UserError(f"label smoothing: {name} must be between 0 and 1, not {target}")

    def discriminator_loss(self, real: Judged, fake: Judged) -> Tensor:
        """Give (1 - real_target)·E[r] - fake_target·E[f]."""
        return (1 - self.real_target) * real.scores.mean() - self.fake_target * fake.scores.mean()
