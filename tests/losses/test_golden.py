"""Each published loss against numbers derived by hand, for both networks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from gan_experiments.losses.auxiliary_class import AuxiliaryClass
from gan_experiments.losses.hinge import Hinge
from gan_experiments.losses.label_smoothing import LabelSmoothing
from gan_experiments.losses.least_squares import LeastSquares
from gan_experiments.losses.minimax import Minimax
from gan_experiments.losses.non_saturating import NonSaturating
from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.range_penalty import RangePenalty
from gan_experiments.losses.relativistic import Relativistic
from gan_experiments.losses.step import Step
from gan_experiments.losses.wasserstein import Wasserstein
from gan_experiments.losses.weight_clipping import WeightClipping
from gan_experiments.types import Batch, DiscriminatorOutput

LOG2, LOG3, LOG4, LOG4_3 = math.log(2), math.log(3), math.log(4), math.log(4 / 3)


def read_off(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
    """A discriminator whose scores are the first pixel and whose class logits are all pixels of a 1×1 image."""
    return DiscriminatorOutput(images[:, 0, 0, 0], images[:, :, 0, 0])


def batch(scores: list[float] | Tensor, labels: Tensor | None = None) -> Batch:
    scores = torch.as_tensor(scores, dtype=torch.float32)
    scores = scores.reshape(len(scores), -1, 1, 1)
    return Batch(scores, torch.zeros(len(scores), dtype=torch.int64) if labels is None else labels)


def step(real: list[float] | Tensor | Batch, fake: list[float] | Tensor | Batch) -> Step:
    pair = (images if isinstance(images, Batch) else batch(images) for images in (real, fake))
    return Step("discriminator", read_off, *pair)


def both(term: LossTerm, real: list[float] | Tensor, fake: list[float] | Tensor) -> tuple[float, float]:
    discriminator_loss, generator_loss = (
        term.discriminator_loss(step(real, fake)),
        term.generator_loss(step(real, fake)),
    )
    assert discriminator_loss is not None
    assert generator_loss is not None
    return discriminator_loss.mean().item(), generator_loss.mean().item()


# With s = log 3: σ(s) = 3/4, so softplus(-s) = -log σ(s) = log(4/3) and softplus(s) = -log(1 - σ(s)) = log 4.
# At s = 0 both are log 2.
@pytest.mark.parametrize(
    ("term", "real", "fake", "discriminator_loss", "generator_loss"),
    [
        # D: real (log(4/3) + log 2)/2, fake (log 4 + log(4/3))/2. G: (log(4/3) + log 4)/2.
        (NonSaturating(), [LOG3, 0], [LOG3, -LOG3], (2 * LOG4_3 + LOG2 + LOG4) / 2, (LOG4_3 + LOG4) / 2),
        # The untrained discriminator's value: 2 log 2 for D, log 2 for G.
        (NonSaturating(), [0, 0], [0, 0], 1.3862944, 0.6931472),
        (Minimax(), [LOG3, 0], [LOG3, -LOG3], (2 * LOG4_3 + LOG2 + LOG4) / 2, -(LOG4_3 + LOG4) / 2),
        # r - f = (0, log 3). D: (log 2 + log(4/3))/2. G: (log 2 + log 4)/2.
        (Relativistic(), [LOG3, 0], [LOG3, -LOG3], (LOG2 + LOG4_3) / 2, (LOG2 + LOG4) / 2),
        # D: real (0 + 0.5)/2, fake (0 + 1.25)/2. G: -(-3 + 0.25)/2.
        (Hinge(), [2, 0.5], [-3, 0.25], 0.875, 1.375),
        # D: real ½(1 + 0.25)/2 = 0.3125, fake ½(9 + 0.0625)/2 = 2.265625. G: ½(16 + 0.5625)/2.
        (LeastSquares(), [2, 0.5], [-3, 0.25], 2.578125, 4.140625),
        # a = -1: fake ½(4 + 1.5625)/2 = 1.390625. c = 0: ½(9 + 0.0625)/2.
        (LeastSquares(a=-1, b=1, c=0), [2, 0.5], [-3, 0.25], 1.703125, 2.265625),
        # D: -1.375 - 1.25. G: 1.375.
        (Wasserstein(), [2, 0.5], [-3, 0.25], -2.625, 1.375),
    ],
)
def test_values_derived_by_hand(
    term: LossTerm, real: list[float], fake: list[float], discriminator_loss: float, generator_loss: float
) -> None:
    assert both(term, real, fake) == pytest.approx((discriminator_loss, generator_loss), rel=1e-6)


@pytest.mark.parametrize(
    ("term", "real_gradient", "fake_gradient", "generator_gradient"),
    [
        # One image each, r = f = log 3, σ = 3/4: d softplus(-r)/dr = -(1 - σ), d softplus(f)/df = σ.
        (NonSaturating(), -0.25, 0.75, -0.25),
        (Minimax(), -0.25, 0.75, -0.75),
        (Relativistic(), -0.5, 0.5, -0.5),
        (Hinge(), 0.0, 1.0, -1.0),  # log 3 > 1: real is beyond its margin
        (LeastSquares(), LOG3 - 1, LOG3, LOG3 - 1),
        (Wasserstein(), -1.0, 1.0, -1.0),
    ],
)
def test_gradients_derived_by_hand(
    term: LossTerm, real_gradient: float, fake_gradient: float, generator_gradient: float
) -> None:
    real, fake = (torch.tensor([LOG3], requires_grad=True) for _ in range(2))
    loss = term.discriminator_loss(step(real, fake))
    assert loss is not None
    gradients = torch.autograd.grad(loss, (real, fake))
    assert [g.item() for g in gradients] == pytest.approx([real_gradient, fake_gradient], abs=1e-6)
    loss = term.generator_loss(step(real, fake))
    assert loss is not None
    (gradient,) = torch.autograd.grad(loss, fake)
    assert gradient.item() == pytest.approx(generator_gradient, abs=1e-6)


scores = st.lists(st.floats(-20, 20, width=32), min_size=4, max_size=4)
quick = settings(deadline=None, max_examples=30, database=None)


@quick
@given(scores)
def test_the_two_generators_of_2014_differ_by_the_mean_score(fake: list[float]) -> None:
    # softplus(-f) - softplus(f) = -f
    total = both(NonSaturating(), fake, fake)[1] + both(Minimax(), fake, fake)[1]
    assert total == pytest.approx(-sum(fake) / 4, abs=1e-4)


@quick
@given(scores, scores)
def test_the_two_discriminators_of_2014_are_one(real: list[float], fake: list[float]) -> None:
    assert both(NonSaturating(), real, fake)[0] == both(Minimax(), real, fake)[0]


@pytest.mark.parametrize("term", [Relativistic(), Wasserstein()], ids=lambda term: type(term).__name__)
@quick
@given(real=scores, fake=scores, shift=st.floats(-10, 10, width=32))
def test_a_shift_of_all_scores_changes_no_gradient(
    term: LossTerm, real: list[float], fake: list[float], shift: float
) -> None:
    def gradients(by: float) -> Tensor:
        r, f = (torch.tensor(s).add(by).requires_grad_() for s in (real, fake))
        discriminator_loss = term.discriminator_loss(step(r, f))
        generator_loss = term.generator_loss(step(r, f))
        assert discriminator_loss is not None
        assert generator_loss is not None
        return torch.stack(
            [*torch.autograd.grad(discriminator_loss, (r, f)), *torch.autograd.grad(generator_loss, (f,))]
        )

    torch.testing.assert_close(gradients(shift), gradients(0), atol=1e-5, rtol=1e-4)


def test_a_shift_of_all_scores_matters_to_the_others() -> None:
    for term in (NonSaturating(), Minimax(), Hinge(), LeastSquares()):
        assert both(term, [0.5], [0.25])[0] != pytest.approx(both(term, [3.5], [3.25])[0])


@pytest.mark.parametrize(
    "term",
    [
        NonSaturating(),
        Minimax(),
        Hinge(),
        LeastSquares(),
        Wasserstein(),
        Relativistic(),
        LabelSmoothing(fake_target=0.1),
        AuxiliaryClass(num_classes=3),
        AuxiliaryClass(num_classes=3, fake_labels="random"),
    ],
    ids=lambda term: type(term).__name__,
)
@pytest.mark.parametrize("real", [-1e4, 1e4])
@pytest.mark.parametrize("fake", [-1e4, 1e4])
def test_values_and_gradients_are_finite_at_extreme_scores(term: LossTerm, real: float, fake: float) -> None:
    # The three pixels are the score and the class logits: one extreme, one the opposite, one 0.
    r, f = (torch.tensor([[s, -s, 0.0]] * 2, requires_grad=True) for s in (real, fake))
    for loss in (term.discriminator_loss(step(r, f)), term.generator_loss(step(r, f))):
        if loss is None:
            continue
        assert loss.isfinite()
        for gradient in torch.autograd.grad(loss, (r, f), allow_unused=True):
            assert gradient is None or gradient.isfinite().all()


@quick
@given(scores, scores, st.floats(0, 1), st.floats(0, 1))
def test_label_smoothing_makes_soft_targets(
    real: list[float], fake: list[float], real_target: float, fake_target: float
) -> None:
    smoothing = LabelSmoothing(real_target=real_target, fake_target=fake_target)
    total = NonSaturating().discriminator_loss(step(real, fake))
    total = total + smoothing.discriminator_loss(step(real, fake))
    expected = sum(
        binary_cross_entropy_with_logits(torch.tensor(s), torch.full((4,), target))
        for s, target in ((real, real_target), (fake, fake_target))
    )
    assert total.item() == pytest.approx(float(expected), rel=1e-4, abs=1e-5)
    assert smoothing.generator_loss(step(real, fake)) is None


def test_class_loss_is_the_cross_entropy_of_the_class_logits() -> None:
    # Logits (log 3, 0, 0) give the classes 3/5, 1/5, 1/5: cross-entropy log(5/3) for class 0 and log 5 for the others.
    logits = torch.tensor([[LOG3, 0.0, 0.0], [LOG3, 0.0, 0.0]])
    pair = step(batch(logits, torch.tensor([0, 0])), batch(logits, torch.tensor([1, 2])))
    term = AuxiliaryClass(num_classes=3, real_weight=2.0, fake_weight=0.5, generator_weight=3.0)
    assert term.discriminator_loss(pair).item() == pytest.approx(2 * math.log(5 / 3) + 0.5 * math.log(5))
    assert term.generator_loss(pair).item() == pytest.approx(3 * math.log(5))

    logits, labels = torch.randn(7, 3), torch.arange(7) % 3
    loss = AuxiliaryClass(num_classes=3).generator_loss(step(logits, batch(logits, labels)))
    torch.testing.assert_close(loss, cross_entropy(logits, labels))


def test_random_class_labels_come_from_the_default_generator() -> None:
    logits, labels = torch.randn(64, 5), torch.zeros(64, dtype=torch.int64)
    term = AuxiliaryClass(num_classes=5, fake_labels="random")
    torch.manual_seed(3)
    loss = term.generator_loss(step(logits, batch(logits, labels)))
    torch.manual_seed(3)
    drawn = torch.randint(5, (64,))
    torch.testing.assert_close(loss, cross_entropy(logits, drawn))
    assert set(drawn.tolist()) == set(range(5))

    torch.manual_seed(3)
    before = torch.get_rng_state()
    AuxiliaryClass(num_classes=5).generator_loss(step(logits, batch(logits, labels)))
    assert torch.equal(torch.get_rng_state(), before)


def test_random_class_labels_leave_the_real_ones_alone() -> None:
    logits, labels = torch.randn(6, 3), torch.arange(6) % 3
    term = AuxiliaryClass(num_classes=3, fake_labels="random", fake_weight=0.0)
    loss = term.discriminator_loss(step(batch(logits, labels), batch(logits, labels)))
    torch.testing.assert_close(loss, cross_entropy(logits, labels))


def test_weight_clipping_clamps_parameters_and_adds_no_loss() -> None:
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.5]]))
        layer.bias.fill_(0.005)
    term = WeightClipping(limit=0.01)
    with torch.no_grad():
        term.after_step(Step("discriminator", layer, batch([0]), batch([0])))
    assert layer.weight.tolist() == [pytest.approx([0.01, -0.01])]
    assert layer.bias.item() == pytest.approx(0.005)
    assert layer.weight.requires_grad
    assert term.discriminator_loss(step([0], [0])) is None


def test_range_penalty_is_the_mean_squared_distance_to_the_range() -> None:
    images = torch.tensor([[-0.5, 0.25], [1.0, 3.0]], requires_grad=True)
    loss = RangePenalty(value_range=(0.0, 1.0)).generator_loss(step([0], images))
    assert loss.item() == (0.5**2 + 2**2) / 4
    (gradient,) = torch.autograd.grad(loss, images)
    assert gradient.tolist() == [[2 * -0.5 / 4, 0], [0, 2 * 2 / 4]]
