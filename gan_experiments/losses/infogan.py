"""The mutual information of InfoGAN between codes among the latents and the images made of them."""

import math
from collections.abc import Sequence

import torch
from pydantic import FiniteFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step
from gan_experiments.types import UserError

HEADS = ("code_logits", "code_means", "code_log_variances")


class InfoGAN(LossTerm):
    """Minus the lower bound of the mutual information of codes c and images G(z, c), which both networks minimise.

    L_I(G, Q) = E[log Q(c | G(z, c))] + H(c), in nats. Chen et al. 2016, "InfoGAN: Interpretable Representation Learning
    by Information Maximizing Generative Adversarial Nets", equation 5. Q is read off D's further heads: for categorical
    codes `code_logits`, for continuous ones the `code_means` and `code_log_variances` of a normal density. D's step
    trains them, and what D shares with them, as in the authors' code.

    The codes are the last entries of the latents, as `NormalWithCodes` draws them: one-hot, then uniform in [-1, 1].
    """

    categorical: Sequence[PositiveInt]  # number of values of each code
    continuous: NonNegativeInt
    continuous_weight: FiniteFloat = 0.1  # of the continuous codes' part

    def check(self, generator: nn.Module, discriminator: nn.Module) -> None:
        heads = getattr(discriminator, "heads", {})
        if missing := [head for head in (HEADS if self.continuous else HEADS[:1]) if head not in heads]:
            raise UserError(
                f"loss.infogan recovers codes by heads of the discriminator, and this one has no {', '.join(missing)}. "
                "Choose model=dcgan_infogan."
            )

    def discriminator_loss(self, step: Step) -> Tensor:
        return self._minus_bound(step)

    def generator_loss(self, step: Step) -> Tensor:
        return self._minus_bound(step)

    def _minus_bound(self, step: Step) -> Tensor:
        """Return -L_I of each image."""
        extra = step.fake.output.extra
        num_codes = sum(self.categorical) + self.continuous
        *one_hot, values = torch.split(step.latents[:, -num_codes:], [*self.categorical, self.continuous], dim=1)
        logits = torch.split(extra["code_logits"], list(self.categorical), dim=1)
        minus_bound = torch.zeros(len(values), device=values.device)
        for code, code_logits in zip(one_hot, logits, strict=True):
            minus_bound = minus_bound + cross_entropy(code_logits, code, reduction="none") - math.log(code.shape[1])
        if self.continuous:
            means, log_variances = extra["code_means"], extra["code_log_variances"]
            densities = -0.5 * (math.log(2 * math.pi) + log_variances + (values - means).square() / log_variances.exp())
            minus_bound = minus_bound - self.continuous_weight * (densities + math.log(2)).sum(1)
        return minus_bound
