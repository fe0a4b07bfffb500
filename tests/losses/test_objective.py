"""The objective: its sum, its passes of the discriminator, its lazy terms, and the yaml files that build it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from steps import R1, R2, loss_of
from torch import Tensor, nn

from gan_experiments.losses.auxiliary_class import AuxiliaryClass
from gan_experiments.losses.gradient_penalty import GradientPenalty
from gan_experiments.losses.hinge import Hinge
from gan_experiments.losses.label_smoothing import LabelSmoothing
from gan_experiments.losses.non_saturating import NonSaturating
from gan_experiments.losses.objective import LossTerm, Objective
from gan_experiments.losses.relativistic import Relativistic
from gan_experiments.losses.step import Step
from gan_experiments.losses.wasserstein import Wasserstein
from gan_experiments.losses.weight_clipping import WeightClipping
from gan_experiments.losses.zero_centered_penalty import ZeroCenteredPenalty
from gan_experiments.types import Batch, DiscriminatorOutput, NetworkName, UserError

CONF = Path(__file__).parents[2] / "conf"


class Witness(nn.Module):
    """A small discriminator that remembers each pass: the images, and whether they were marked as a leaf."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(12, 4, generator=generator))
        self.passes: list[tuple[Tensor, bool]] = []

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        self.passes.append((images.detach(), images.requires_grad))
        output = torch.tanh(images.flatten(1)) @ self.weight
        return DiscriminatorOutput(output[:, 0], output[:, 1:])


def batch(value: float) -> Batch:
    generator = torch.Generator().manual_seed(int(value * 10))
    return Batch(value + torch.randn(4, 3, 2, 2, generator=generator), torch.arange(4) % 3)


REAL, FAKE = batch(1.0), batch(-1.0)


def seen(discriminator: Witness) -> list[str]:
    names = {id(batch): name for batch, name in ((REAL, "real"), (FAKE, "fake"))}
    return [
        next((names[id(b)] for b in (REAL, FAKE) if torch.equal(b.images, images)), "other")
        for images, _ in discriminator.passes
    ]


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    terms: dict[str, LossTerm] = {"hinge": Hinge(weight=0.5), "class": AuxiliaryClass(num_classes=3, weight=2.0)}
    objective = Objective(terms)
    for network in get_args(NetworkName):
        values = loss_of(network, objective, Witness(), REAL, FAKE)
        step = Step(network, Witness(), REAL, FAKE)
        assert set(values) == {"hinge", "class", "loss"}
        for name, term in terms.items():
            torch.testing.assert_close(values[name], term.weight * getattr(term, f"{network}_loss")(step).detach())
        torch.testing.assert_close(values["loss"].detach(), values["hinge"] + values["class"])
        assert values["loss"].requires_grad
        assert values["loss"].shape == ()
        assert not values["hinge"].requires_grad  # logged values must not keep a graph alive


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        ({"hinge": Hinge()}, ["fake"]),
        ({"wasserstein": Wasserstein(), "clip": WeightClipping(), "penalty": GradientPenalty()}, ["fake"]),
        ({"hinge": Hinge(), "class": AuxiliaryClass(num_classes=3)}, ["fake"]),
        ({"relativistic": Relativistic()}, ["real", "fake"]),
        ({"relativistic": Relativistic(), "r1": R1(), "r2": R2()}, ["real", "fake"]),
    ],
)
def test_passes_of_a_generator_step(terms: dict[str, LossTerm], passes: list[str]) -> None:
    discriminator = Witness()
    objective = Objective(terms)
    loss_of("generator", objective, discriminator, REAL, FAKE, objective.due("generator", 0))
    assert seen(discriminator) == passes


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        ({"hinge": Hinge()}, ["real", "fake"]),
        ({"hinge": Hinge(), "class": AuxiliaryClass(num_classes=3)}, ["real", "fake"]),
        ({"hinge": Hinge(), "penalty": GradientPenalty()}, ["real", "fake", "other"]),
        ({"r2": R2(), "hinge": Hinge(), "r1": R1()}, ["real", "fake"]),
    ],
)
def test_passes_of_a_discriminator_step(terms: dict[str, LossTerm], passes: list[str]) -> None:
    discriminator = Witness()
    objective = Objective(terms)
    loss_of("discriminator", objective, discriminator, REAL, FAKE, objective.due("discriminator", 0))
    assert seen(discriminator) == passes


class FakeFirst(LossTerm):
    """A term that reads the fake images first, and leaves the mean to the objective."""

    def discriminator_loss(self, step: Step) -> Tensor:
        return step.fake.scores - step.real.scores


def test_real_is_scored_before_fake_whatever_a_term_reads_first() -> None:
    discriminator = Witness()
    objective = Objective({"fake_first": FakeFirst(), "hinge": Hinge()})
    loss_of("discriminator", objective, discriminator, REAL, FAKE, objective.regular)
    assert seen(discriminator) == ["real", "fake"]


def test_leaves_are_marked_only_for_terms_that_are_due() -> None:
    objective = Objective({"hinge": Hinge(), "r1": R1(every=2), "r2": R2(every=3)})
    marked = []
    for step in range(4):
        discriminator = Witness()
        loss_of("discriminator", objective, discriminator, REAL, FAKE, objective.due("discriminator", step))
        marked.append(tuple(leaf for _, leaf in discriminator.passes))
    assert marked == [(True, True), (False, False), (True, False), (False, True)]
    assert not REAL.images.requires_grad


def test_the_generator_step_reaches_the_generator() -> None:
    images = FAKE.images.clone().requires_grad_()
    objective = Objective({"hinge": Hinge(), "r1": R1(), "penalty": GradientPenalty(around="data")})
    values = loss_of(
        "generator", objective, Witness(), REAL, FAKE._replace(images=images), objective.due("generator", 0)
    )
    (gradient,) = torch.autograd.grad(values["loss"], images)
    assert gradient.abs().sum() > 0
    assert set(values) == {"hinge", "loss"}


@pytest.mark.parametrize("every", [2, 3, 4])
def test_a_lazy_term_averages_to_the_regular_one(every: int) -> None:
    def mean_gradient(interval: int) -> Tensor:
        objective = Objective({"hinge": Hinge(weight=0.0), "r1": R1(weight=3.0, every=interval)})
        gradients = []
        for step in range(12):
            discriminator = Witness()
            due = objective.due("discriminator", step)
            loss = loss_of("discriminator", objective, discriminator, REAL, FAKE, due)["loss"]
            gradients.append(torch.autograd.grad(loss, discriminator.weight)[0])
        return torch.stack(gradients).mean(0)

    torch.testing.assert_close(mean_gradient(every), mean_gradient(1))


def test_what_an_objective_says_of_itself() -> None:
    objective = Objective(
        {
            "hinge": Hinge(),
            "r1": R1(every=4),
            "class": AuxiliaryClass(num_classes=3),
            "clip": WeightClipping(),
        }
    )
    assert objective.double_backward
    assert objective.regular == {"hinge", "class", "clip"}
    assert objective.names("discriminator") == {"hinge", "r1", "class"}
    assert objective.names("generator") == {"hinge", "class"}
    assert [("r1" in objective.due("discriminator", step)) for step in range(6)] == [True, *[False] * 3, True, False]
    assert {objective.due("generator", step) for step in range(6)} == {frozenset({"hinge", "class"})}
    assert not Objective({"hinge": Hinge()}).double_backward


def test_the_discriminator_is_constrained_after_its_step() -> None:
    discriminator = Witness()
    objective = Objective({"wasserstein": Wasserstein(), "clip": WeightClipping(limit=0.02)})
    objective.after_step(Step("generator", discriminator, REAL, FAKE), objective.regular)
    assert discriminator.weight.abs().max() > 0.02
    objective.after_step(Step("discriminator", discriminator, REAL, FAKE), objective.regular)
    assert discriminator.weight.abs().max().item() == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "no term gives the discriminator a loss"),
        ({"r1": R1()}, "no term gives the generator a loss"),
        ({"smooth": LabelSmoothing()}, "no term gives the generator a loss"),
        ({"clip": WeightClipping()}, "no term gives the discriminator a loss"),
        ({"hinge": Hinge(every=2)}, "no term gives the discriminator a loss at each"),
    ],
)
def test_objectives_without_sense_are_refused(terms: dict[str, LossTerm], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(terms)


def test_constructor_types_resolve_from_any_file() -> None:
    for term in (ZeroCenteredPenalty, GradientPenalty, AuxiliaryClass, NonSaturating, WeightClipping, FakeFirst):
        assert get_type_hints(term.__init__)["weight"] == float | Callable[[float], float]
    assert get_type_hints(WeightClipping.__init__)["limit"] is float


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[list[str]]:
    """A primary config with the groups that losses need; gives the overrides that find ours."""
    (tmp_path / "primary.yaml").write_text(
        "defaults: [loss: non_saturating, _self_]\ndataset: {num_classes: 3}\nmodel: {value_range: [0, 1]}\n"
    )
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        yield [f"hydra.searchpath=[file://{CONF}]"]


def build(primary: list[str], *overrides: str) -> Objective:
    config = compose("primary", overrides=[*primary, *overrides])
    assert set(config) == {"dataset", "loss", "model"}, "a term landed outside the package `loss`"
    # `needs` is read by the checks of the config.
    terms = {name: {key: term[key] for key in term if key != "needs"} for name, term in config.loss.items()}
    return Objective(instantiate(terms, _convert_="all"))


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "loss").glob("*.yaml")))
def test_each_objective_of_the_config_gives_two_finite_losses(primary: list[str], name: str) -> None:
    objective = build(primary, f"loss={name}")
    for network in get_args(NetworkName):
        assert loss_of(network, objective, Witness(), REAL, FAKE)["loss"].isfinite()


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "loss/term").glob("*.yaml")))
def test_each_term_of_the_config_can_be_added_under_its_own_name(primary: list[str], name: str) -> None:
    assert list(build(primary, "loss=hinge", f"+loss/term={name}").terms) == ["hinge", name]


def test_config_terms_compose(primary: list[str]) -> None:
    assert list(build(primary, "loss=hinge", "+loss/term=[r1,auxiliary_class]").terms) == [
        "hinge",
        "r1",
        "auxiliary_class",
    ]
    r1 = build(primary, "loss=r1", "loss.r1.weight=5", "loss.r1.every=16").terms["r1"]
    assert isinstance(r1, ZeroCenteredPenalty)
    assert (r1.images, r1.weight, r1.every) == ("real", 5.0, 16)
    for name, labels in (("acgan", "given"), ("acgan_random", "random")):
        term = build(primary, f"loss={name}").terms["auxiliary_class"]
        assert isinstance(term, AuxiliaryClass)
        assert (term.num_classes, term.fake_labels, list(term.needs)) == (3, labels, ["class_head"])
    assert list(build(primary, "loss=wgan_gp").terms) == ["wasserstein", "gradient_penalty"]


def test_each_step_is_one_graph() -> None:
    """Nothing in the grammar may break a compiled step: no lock, no branch on a tensor's value."""
    objective = Objective({"relativistic": Relativistic(), "class": AuxiliaryClass(num_classes=3)})
    weight = torch.randn(12, 4)

    def discriminator(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        output = images.flatten(1) @ weight
        return DiscriminatorOutput(output[:, 0], output[:, 1:])

    for network in get_args(NetworkName):

        def loss(real: Batch, fake: Batch, network: NetworkName = network) -> Tensor:
            return loss_of(network, objective, discriminator, real, fake)["loss"]

        compiled = torch.compile(loss, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(REAL, FAKE), loss(REAL, FAKE))
