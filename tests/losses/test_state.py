"""Terms with state against the authors' code."""

import math

import pytest
import torch
from torch import Tensor, nn

from gan_experiments.losses.lecam import LeCam
from gan_experiments.losses.path_length import PathLength
from gan_experiments.losses.step import Step
from gan_experiments.types import Batch, DiscriminatorOutput

# StudioGAN, src/utils/ops.py LeCamEMA: decay 0.99, start 3; at iteration n the batch means are 1.6·sin(0.37 n + 0.0113
# n² + phase), phase 0.7 for real and 2.9 for fake scores. Before `start` the anchor is the batch's mean.
ANCHORS = [
    (1.0307482995803057, 0.3827989267423719),
    (1.412111661330475, -0.22280530945079557),
    (1.5941421929301112, -0.8275627073064243),
    (1.5932800176773114, -0.8324862224967362),
    (1.5886087008025258, -0.8399778782801111),
    (1.5775897244271742, -0.8467653073240962),
    (1.5588674218768952, -0.8492784045000044),
    (1.5329454988706948, -0.8445808629235261),
]


def scored(real: list[float], fake: list[float]) -> Step:
    def discriminator(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(images.flatten())

    batches = (Batch(torch.tensor(values).reshape(-1, 1, 1, 1), torch.zeros(len(values))) for values in (real, fake))
    return Step("discriminator", discriminator, *batches)


def test_lecams_anchors() -> None:
    term = LeCam(start=3)
    for n, expected in enumerate(ANCHORS):
        real, fake = (1.6 * math.sin(0.37 * n + 0.0113 * n**2 + phase) for phase in (0.7, 2.9))
        step = scored([real], [fake])
        loss = term.discriminator_loss(step)
        assert loss == term.discriminator_loss(step)  # measuring changes nothing
        wanted = max(0, real - expected[1]) ** 2 + max(0, expected[0] - fake) ** 2
        assert loss.item() == pytest.approx(wanted if n > 3 else 0, rel=1e-5)
        term.after_step(step)
        assert term.anchors.tolist() == pytest.approx(expected, rel=1e-5)
    assert term.generator_loss(step) is None


class Styled(nn.Module):
    """styles = 2·z, images = scale·styles, so that the gradient with respect to styles is scale·y."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.styles = nn.Parameter(torch.tensor(2.0))

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.styles * latents

    def synthesis(self, styles: Tensor) -> Tensor:
        return (self.scale * styles).reshape(-1, 1, 2, 2)


def test_path_length_of_a_linear_generator() -> None:
    """Lengths are scale·‖y‖, y of variance 1/(H·W): half a batch, against the average that took them in before."""
    term, generator = PathLength(decay=0.01, batch_shrink=2), Styled(3.0)
    latents, labels = torch.randn(8, 4), torch.zeros(8, dtype=torch.int64)
    step = Step(
        "generator", nn.Identity(), Batch(torch.zeros(8, 1, 2, 2), labels), generator=generator, latents=latents
    )
    torch.manual_seed(0)
    loss = term.generator_loss(step)
    torch.manual_seed(0)
    lengths = 3.0 * (torch.randn(4, 1, 2, 2) / 2).flatten(1).norm(dim=1)
    average = 0.01 * lengths.mean()
    torch.testing.assert_close(loss, (lengths - average).square())
    (gradient,) = torch.autograd.grad(loss.mean(), generator.scale)
    # The average is not detached: d/ds (s·l - 0.01·s·mean l)² = 2·(…)·(l - 0.01·mean l).
    torch.testing.assert_close(gradient, (2 * (lengths - average) * (lengths - average) / 3).mean())
    assert term.mean.item() == 0
    term.after_step(step)
    torch.testing.assert_close(term.mean, average)
