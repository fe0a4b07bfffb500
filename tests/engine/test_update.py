"""The update as a function of tensors, and what the host sets before it."""

from functools import partial
from typing import Any

import pytest
import torch
from test_steps import LOSSES, QUIET, fit, made_gan
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gan_experiments.engine.hyperparameters import Linear
from gan_experiments.engine.optimization import NetworkOptimizer
from gan_experiments.losses.hinge import Hinge
from gan_experiments.losses.objective import Objective
from gan_experiments.losses.step import Step
from gan_experiments.types import NetworkName, Progress, UserError

BOTH: tuple[NetworkName, ...] = ("discriminator", "generator")
STYLED = ["model=style_dcgan", "loss=r1", "loss.r1.every=2", "loss.r1.own_step=true", "+loss/term=path_length"]
QUICK = ("acgan_random", "relativistic_r1_r2", "wgan_gp")
CASES = [
    *(pytest.param([f"loss={name}"], marks=[] if name in QUICK else [pytest.mark.slow]) for name in LOSSES),
    [
        "loss=hinge",
        "model=dcgan",
        "+loss/term=[lecam,label_smoothing]",
        "discriminator_augment=[color,translation,cutout]",
    ],
    ["loss=r1", "model=dcgan", "task.fakes=shared", "task.discriminator_pass=joined", "task.labels=uniform"],
    STYLED,
]


@pytest.mark.parametrize("overrides", CASES, ids=lambda overrides: "-".join(overrides))
def test_the_whole_update_can_be_traced(overrides: list[str]) -> None:
    """Optimiser steps and second derivatives included: a value that went to the host would stop the tracing."""
    gan, pipeline = made_gan(*overrides)
    due = gan.update.prepare(BOTH, Progress())
    batch = next(iter(pipeline.from_iteration(0)))
    terms = gan.objective.names("discriminator") | gan.objective.names("generator")

    graph = make_fx(gan.update(BOTH, due))(*batch)

    assert len(graph.graph.nodes) > 100
    results = {key for key, _ in graph.graph.find_nodes(op="output")[0].args[0].items()}
    assert {"discriminator/loss", "generator/loss"} <= results
    assert {name.partition("/")[2] for name in results} == {"loss", *terms}


def test_a_value_that_went_to_the_host_would_be_found() -> None:
    class Judging(Hinge):
        def generator_loss(self, step: Step) -> Tensor:
            return step.fake.scores if step.fake.scores.mean() > 0 else -step.fake.scores

    gan, pipeline = made_gan("loss=hinge", "model=dcgan")
    gan.update.objective = Objective({"hinge": Judging()})
    due = gan.update.prepare(BOTH, Progress())
    with pytest.raises(RuntimeError, match="_local_scalar_dense"):
        make_fx(gan.update(BOTH, due))(*next(iter(pipeline.from_iteration(0))))


@QUIET
def test_a_lazy_term_may_have_steps_of_its_own() -> None:
    gan, pipeline = made_gan(*STYLED, "optimizer.generator.betas=[0.0,0.99]")
    fit(gan, pipeline, 8)
    discriminator, generator = gan.trainer.optimizers
    steps = [int(next(iter(optimizer.state.values()))["step"]) for optimizer in (discriminator, generator)]
    assert steps == [8 + 4, 8 + 2]  # every 2nd and every 4th
    assert (gan.clock.discriminator_steps, gan.clock.generator_steps) == (8, 8)
    # StyleGAN2: lr and betas are corrected by k/(k+1)
    assert discriminator.param_groups[0]["lr"] == pytest.approx(2e-4 * 2 / 3)
    assert generator.param_groups[0]["lr"] == pytest.approx(2e-4 * 4 / 5)
    assert generator.param_groups[0]["betas"] == pytest.approx((0.0, 0.99**0.8))
    assert gan.objective.regular == {"non_saturating"}
    assert gan.objective.state_dict()["path_length_term.mean"] > 0


class Grouped(nn.Linear):
    def parameter_groups(self) -> list[dict[str, object]]:
        return [{"params": [self.weight]}, {"params": [self.bias], "lr_scale": 0.01, "weight_decay": 0.0}]


def test_hyper_parameters_follow_kimg_and_groups_keep_their_own() -> None:
    betas = (0.0, Linear(0, 10, initial=0.9, final=0.99))
    arguments: dict[str, Any] = {"lr": Linear(0, 10, initial=0.1), "betas": betas, "weight_decay": 0.1}
    factory = partial(torch.optim.AdamW, **arguments)
    optimizer = NetworkOptimizer(Grouped(2, 1), factory, learning_rate=Linear(0, 20))
    optimizer.set_kimg(5)
    groups = optimizer.optimizer.param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.05 * 0.75, 0.05 * 0.75 * 0.01])
    assert [group["betas"] for group in groups] == [pytest.approx((0.0, 0.945))] * 2
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]


def test_a_learning_rate_that_is_a_tensor_is_written_in_place() -> None:
    rate = torch.tensor(0.5)
    optimizer = NetworkOptimizer(nn.Linear(2, 1), partial(torch.optim.SGD, lr=rate), learning_rate=Linear(0, 10))
    for kimg, expected in ((5, 0.25), (5, 0.25), (10, 0.0)):
        optimizer.set_kimg(kimg)
        assert optimizer.optimizer.param_groups[0]["lr"].item() == expected


def test_weights_over_kimg() -> None:
    objective = Objective({"hinge": Hinge(weight=Linear(0, 10, initial=2.0))})
    objective.set_kimg(5)
    assert objective.terms["hinge"].factor.item() == 1.0
    assert not objective.state_dict()


@QUIET
@pytest.mark.parametrize("labels", ["batch", "uniform", "data"])
def test_what_the_generator_is_given_as_labels(labels: str) -> None:
    gan, pipeline = made_gan(f"task.labels={labels}")
    given: list[Tensor] = []
    gan.generator.register_forward_pre_hook(lambda module, arguments: given.append(arguments[1]))
    fit(gan, pipeline, 1)
    batch = next(iter(pipeline.from_iteration(0)))
    assert len(given) == 2
    for drawn in given:
        assert torch.equal(drawn, batch.labels) == (labels == "batch")
        assert labels != "data" or set(drawn.tolist()) <= set(batch.labels.tolist())


def test_uniform_labels_need_classes() -> None:
    with pytest.raises(UserError, match=r"task\.labels=uniform"):
        made_gan("task.labels=uniform", "task.num_classes=0")
