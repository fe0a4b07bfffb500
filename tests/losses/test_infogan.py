"""InfoGAN's bound on the mutual information, by hand and in training."""

import csv
import math
from pathlib import Path

import pytest
import torch
from launching import TINY, launch
from torch import Tensor
from torch.distributions import Normal

from gan_experiments.losses.infogan import InfoGAN
from gan_experiments.losses.step import Step
from gan_experiments.types import Batch, DiscriminatorOutput, NetworkName, UserError

IMAGES = Batch(torch.zeros(2, 1, 1, 1), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_the_bound_by_hand(network: NetworkName) -> None:
    """Two codes of 2 and 3 values, one continuous code; the last entries of latents of 8."""
    latents = torch.tensor([[9.0, 9, 1, 0, 0, 1, 0, 0.5], [9.0, 9, 0, 1, 1, 0, 0, -1.0]])
    probabilities = torch.tensor([[0.9, 0.1, 0.2, 0.5, 0.3], [0.25, 0.75, 0.6, 0.2, 0.2]])
    means, deviations = torch.tensor([[0.4], [0.0]]), torch.tensor([[0.2], [2.0]])

    def discriminator(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        heads = {"code_logits": probabilities.log(), "code_means": means, "code_log_variances": 2 * deviations.log()}
        return DiscriminatorOutput(images[:, 0, 0, 0], extra=heads)

    step = Step(network, discriminator, IMAGES, IMAGES, latents=latents)
    term = InfoGAN(categorical=[2, 3], continuous=1, continuous_weight=0.1)
    losses = getattr(term, f"{network}_loss")(step)

    entropy = math.log(2) + math.log(3)
    for index, (first, second, value) in enumerate([(0.9, 0.5, 0.5), (0.75, 0.6, -1.0)]):
        density = Normal(means[index], deviations[index]).log_prob(torch.tensor([value]))  # type: ignore[no-untyped-call]
        bound = math.log(first) + math.log(second) + entropy + 0.1 * (float(density) + math.log(2))
        assert float(losses[index]) == pytest.approx(-bound, rel=1e-5)


def test_a_discriminator_without_the_heads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no code_logits.*model=dcgan_infogan"):
        launch(tmp_path / "run", *TINY, "model=dcgan", "loss=non_saturating", "+loss/term=infogan")


def test_codes_are_recovered_after_some_training_on_digits(tmp_path: Path) -> None:
    """The bound of the categorical code starts at 0, as Q knows nothing, and is at most log 10 nats."""
    quick = ["optimizer.generator.lr=2e-3", "optimizer.discriminator.lr=2e-3", "budget.kimg=3.2"]
    small = ["model.generator.base_width=16", "model.discriminator.base_width=16", "checkpoint_every_kimg=3.2"]
    words = ["model=dcgan_infogan", "loss=non_saturating", "+loss/term=infogan", *quick, *small]
    launch(tmp_path / "run", *TINY, *words)
    with (tmp_path / "run" / "metrics.csv").open() as file:
        values = [float(row["generator/infogan"]) for row in csv.DictReader(file) if row["generator/infogan"]]

    assert values[-1] < values[0] - 0.5
    assert values[-1] > -math.log(10) - 0.2 * 3
