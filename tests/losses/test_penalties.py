"""Gradient penalties on discriminators whose gradient is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from steps import R1, R2, loss_of
from torch import Tensor, nn

from gan_experiments.losses.gradient_penalty import GradientPenalty
from gan_experiments.losses.non_saturating import NonSaturating
from gan_experiments.losses.objective import LossTerm, Objective
from gan_experiments.losses.step import Step
from gan_experiments.types import Batch, DiscriminatorOutput

PENALTIES: list[LossTerm] = [
    R1(),
    R2(),
    GradientPenalty(),
    GradientPenalty(sides="one", target=0.1),
    GradientPenalty(around="data"),
]
each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: f"{type(p).__name__}")


class Recorder(nn.Module):
    """Scores images by a function of the flat image and a parameter; remembers what it saw."""

    def __init__(self, parameter: Tensor, score: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.parameter = nn.Parameter(parameter)
        self.score = score
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        self.seen.append(images.detach())
        return DiscriminatorOutput(self.score(images.flatten(1), self.parameter))


def linear(w: Tensor) -> Recorder:
    """D(x) = w·x, so ∇D = w everywhere."""
    return Recorder(w, lambda x, w: x @ w)


def quadratic(k: float) -> Recorder:
    """D(x) = k/2·‖x‖², so ∇D(x) = k·x."""
    return Recorder(torch.tensor(k), lambda x, k: 0.5 * k * x.square().sum(1))


def deep() -> nn.Module:
    """A smooth network for which the second derivative is not trivial."""
    torch.manual_seed(1)
    layers = nn.Sequential(
        nn.Conv2d(2, 3, 2), nn.Softplus(), nn.Flatten(), nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 1)
    )

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
            return DiscriminatorOutput(self.layers(images).squeeze(1))

    return Deep()


def batch(images: Tensor) -> Batch:
    return Batch(images, torch.zeros(len(images), dtype=torch.int64))


def images(seed: int, count: int = 4) -> Tensor:
    return torch.randn(count, 2, 3, 3, generator=torch.Generator().manual_seed(seed))


def pair(discriminator: nn.Module) -> Step:
    return Step("discriminator", discriminator, batch(images(0)), batch(images(1)))


def penalise(term: LossTerm, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The penalty as an objective computes it: the adversarial term weighs nothing."""
    objective = Objective({"adversarial": NonSaturating(weight=0.0), "penalty": term})
    return loss_of("discriminator", objective, discriminator, batch(real), batch(fake), objective.regular)["loss"]


# ‖w‖ = 3 over 18 entries.
NORM_3 = torch.full((18,), 3 / math.sqrt(18))


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (R1(), 4.5),  # ½·3²
        (R2(), 4.5),
        (R1(weight=10.0), 45.0),
        (GradientPenalty(), 4.0),  # (3 - 1)²
        (GradientPenalty(around="data"), 4.0),
        (GradientPenalty(target=5.0), 4.0),  # two-sided: (3 - 5)²
        (GradientPenalty(target=5.0, sides="one"), 0.0),
        (GradientPenalty(target=1.0, sides="one"), 4.0),
        (GradientPenalty(target=0.0), 9.0),
    ],
)
def test_linear_discriminator(term: LossTerm, expected: float) -> None:
    assert penalise(term, linear(NORM_3.clone()), images(0), images(1)).item() == pytest.approx(expected, rel=1e-5)


def test_quadratic_discriminator_tells_real_from_fake() -> None:
    # ∇D(x) = 2x. Real images have norms 1 and 3, fake ones 2 and 4: R1 = ½·(4 + 36)/2, R2 = ½·(16 + 64)/2.
    unit = torch.zeros(1, 2, 3, 3)
    unit[0, 0, 0, 0] = 1.0
    real, fake = torch.cat([unit, 3 * unit]), torch.cat([2 * unit, 4 * unit])
    assert penalise(R1(), quadratic(2.0), real, fake).item() == pytest.approx(10.0)
    assert penalise(R2(), quadratic(2.0), real, fake).item() == pytest.approx(20.0)


def test_norms_are_each_samples_own() -> None:
    # Norms 2·1 and 2·3 with target 4: (2 - 4)² = (6 - 4)² = 4; a norm of the mean or of the batch would give another.
    unit = torch.zeros(1, 2, 3, 3)
    unit[0, 1, 2, 1] = 1.0
    real = torch.cat([unit, 3 * unit])
    assert penalise(GradientPenalty(target=4.0), quadratic(2.0), real, real).item() == pytest.approx(4.0)


def test_parameter_gradients_in_closed_form() -> None:
    # R1 = ½k²·E‖x‖² has d/dk = k·E‖x‖²; (k‖x‖ - 1)² has d/dk = 2(k‖x‖ - 1)‖x‖.
    x = images(0)
    norms = x.flatten(1).norm(dim=1)
    discriminator = quadratic(0.7)
    (gradient,) = torch.autograd.grad(penalise(R1(), discriminator, x, x), discriminator.parameter)
    torch.testing.assert_close(gradient, 0.7 * norms.square().mean())
    (gradient,) = torch.autograd.grad(penalise(GradientPenalty(), discriminator, x, x), discriminator.parameter)
    torch.testing.assert_close(gradient, (2 * (0.7 * norms - 1) * norms).mean())


@each_penalty
def test_parameter_gradients_against_finite_differences(penalty: LossTerm) -> None:
    discriminator = deep()
    parameters = list(discriminator.parameters())

    def value() -> Tensor:
        torch.manual_seed(5)  # the same interpolates each time
        return penalise(penalty, discriminator, images(0), images(1))

    # The last bias does not touch the gradient, hence materialize_grads.
    gradients = torch.autograd.grad(value(), parameters, materialize_grads=True)
    scale = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    assert scale > 1e-3
    step = 1e-2
    values = []
    for sign in (1, -2):  # along the gradient, forward and then backward from there
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.add_(gradient, alpha=sign * step / scale)
        values.append(value().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(scale, rel=1e-2)


@each_penalty
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_value_and_gradient_are_finite_at_no_gradient_and_at_a_huge_one(penalty: LossTerm, size: float) -> None:
    discriminator = linear(size * NORM_3)
    loss = penalise(penalty, discriminator, images(0), images(1))
    (gradient,) = torch.autograd.grad(loss, discriminator.parameter)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_interpolates_lie_between_the_pairs() -> None:
    discriminator = linear(NORM_3.clone())
    real, fake = images(0, 8), images(1, 8)
    penalise(GradientPenalty(), discriminator, real, fake)
    share = ((discriminator.seen[-1] - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(share, share[:, :1].expand_as(share), atol=1e-3, rtol=1e-3)
    assert share.min() >= -1e-3
    assert share.max() <= 1 + 1e-3
    assert len({round(s, 3) for s in share[:, 0].tolist()}) == 8


def test_perturbed_data_stay_within_half_a_deviation_of_the_batch() -> None:
    discriminator = linear(NORM_3.clone())
    real = images(0, 64)
    penalise(GradientPenalty(around="data"), discriminator, real, images(1, 64))
    noise = (discriminator.seen[-1] - real) / (0.5 * real.std(correction=0))
    assert noise.min() >= -1e-5
    assert noise.max() <= 1.0
    # The product of two uniform numbers: mean 1/4; each sample's share of the way is its own.
    assert noise.mean().item() == pytest.approx(0.25, abs=0.05)
    assert noise.flatten(1).amax(1).std() > 0.1


@each_penalty
def test_autocast_leaves_the_penalty_in_float32(penalty: LossTerm) -> None:
    discriminator = deep()
    parameters = list(discriminator.parameters())

    def value_and_gradient(autocast: bool) -> tuple[Tensor, Tensor]:
        torch.manual_seed(5)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = penalise(penalty, discriminator, images(0), images(1))
        # Outside autocast, which would round the second derivative of a convolution.
        return loss, torch.autograd.grad(loss, parameters[0])[0]

    expected = value_and_gradient(autocast=False)
    found = value_and_gradient(autocast=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = pair(discriminator).real.scores
    assert scores.dtype == torch.float32
    assert not torch.equal(scores, pair(discriminator).real.scores)  # autocast did reach the networks
    torch.testing.assert_close(found, expected)


def test_images_that_autocast_generated_are_taken_in_half_precision() -> None:
    fake = images(1).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for penalty in PENALTIES:
            assert penalise(penalty, deep(), images(0), fake).isfinite()


@each_penalty
def test_a_penalty_can_be_measured_without_recording_gradients(penalty: LossTerm) -> None:
    discriminator = deep()
    torch.manual_seed(5)
    expected = penalise(penalty, discriminator, images(0), images(1))
    torch.manual_seed(5)
    with torch.no_grad():
        found = penalise(penalty, discriminator, images(0), images(1))
    assert not found.requires_grad
    torch.testing.assert_close(found, expected.detach())


@each_penalty
def test_penalties_declare_a_second_derivative_and_leave_the_generator_alone(penalty: LossTerm) -> None:
    assert penalty.double_backward
    assert penalty.generator_loss(pair(deep())) is None
    assert Objective({"adversarial": NonSaturating(), "penalty": penalty}).names("generator") == {"adversarial"}


def test_r1_and_r2_share_the_passes_of_the_adversarial_loss() -> None:
    discriminator = linear(NORM_3.clone())
    objective = Objective({"adversarial": NonSaturating(), "r1": R1(), "r2": R2()})
    loss_of("discriminator", objective, discriminator, batch(images(0)), batch(images(1)), objective.regular)
    assert len(discriminator.seen) == 2
