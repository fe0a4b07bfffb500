"""A user's own loss terms and discriminator augmentation, in files outside the package, in runs that are resumed."""

from pathlib import Path

import pytest
import torch
from launching import TINY, launch

from gan_experiments.runs.run import list_checkpoints, load_checkpoint

TERMS = '''
from __future__ import annotations

import torch

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step
from gan_experiments.types import UserError


class LatentConsistency(LossTerm):
    """zCR: nearby latents shall score alike, and look different (Zhao et al. 2021)."""

    noise: float = 0.05

    def discriminator_loss(self, step: Step):
        return (step.fake.scores - self._moved(step).scores).square()

    def generator_loss(self, step: Step):
        return -0.01 * (step.fake.images - self._moved(step).images).square().mean(dim=(1, 2, 3))

    def _moved(self, step: Step):
        return step.generate(step.latents + self.noise * torch.randn_like(step.latents))


class ScoreDrift(LossTerm):
    """Holds the mean real score near its own moving average."""

    decay: float = 0.9

    def __post_init__(self):
        super().__post_init__()
        self.register_buffer("average", torch.zeros(()))

    def discriminator_loss(self, step: Step):
        return (step.real.scores.mean() - self.average).square()

    def after_step(self, step: Step):
        if step.network == "discriminator":
            self.average.lerp_(step.real.scores.mean(), 1 - self.decay)


class WeightDecay(LossTerm):
    """Orthogonality would do as well: a penalty on the weights of the network whose step it is."""

    def check(self, generator, discriminator):
        if not list(discriminator.parameters()):
            raise UserError("nothing to decay")

    def generator_loss(self, step: Step):
        return sum(parameter.square().sum() for parameter in step.generator.parameters())
'''
AUGMENTATION = '''
import torch
from torch import nn


class AdaptiveFlip(nn.Module):
    """Flips with a probability that rises while the discriminator is sure of real images (as ADA does)."""

    def __init__(self, speed: float):
        super().__init__()
        self.speed = speed
        self.register_buffer("p", torch.zeros(()))

    def forward(self, images, generator=None):
        draws = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)
        return torch.where(draws < self.p, images.flip(-1), images)

    def after_step(self, step):
        if step.network == "discriminator":
            self.p.add_(self.speed * (step.real.scores.sign().mean() + 2)).clamp_(0, 1)
'''
PARTS = [
    "loss=hinge",
    "+loss.consistency._target_=own_terms.LatentConsistency",
    "+loss.drift={_target_: own_terms.ScoreDrift, decay: 0.5, every: 2}",
    "+loss.decay={_target_: own_terms.WeightDecay, weight: {_target_: "
    "gan_experiments.engine.hyperparameters.Linear, start_kimg: 0, end_kimg: 0.32, initial: 1.0e-3}}",
    "+loss/term=lecam",
    "loss.lecam.start=3",
    "discriminator_augment=[translation,cutout]",
    "+discriminator_augment.flip={_target_: own_augmentation.AdaptiveFlip, speed: 0.01}",
    "model=dcgan",
]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "own_terms.py").write_text(TERMS)
    (tmp_path / "own_augmentation.py").write_text(AUGMENTATION)
    return [*TINY, *PARTS, f"code_dirs=[{tmp_path}]"]


def test_their_state_is_saved_and_resumed_with_no_further_code(arguments: list[str], tmp_path: Path) -> None:
    results = launch(tmp_path / "whole", *arguments)
    launch(tmp_path / "resumed", *arguments, "budget.kimg=0.144")
    launch(tmp_path / "unused", f"resume={tmp_path / 'resumed'}", "budget.kimg=0.32")

    whole, resumed = (
        load_checkpoint(list_checkpoints(tmp_path / name / "checkpoints")[-1])["networks"]
        for name in ("whole", "resumed")
    )
    state = {name for name in whole if name.startswith(("objective.", "augment."))}
    assert state == {
        "objective.drift_term.average",
        "objective.lecam_term.anchors",
        "objective.lecam_term.steps",
        "augment.flip_augmentation.p",
    }
    assert all(whole[name].abs().sum() > 0 for name in state)
    assert list(whole) == list(resumed)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert {"discriminator/consistency", "generator/consistency", "discriminator/drift", "generator/decay"} <= set(
        results
    )
    launch(tmp_path / "other", *TINY, "loss=hinge", "model=dcgan", f"init_from={tmp_path / 'whole'}")


def test_a_term_names_what_the_networks_lack(tmp_path: Path) -> None:
    from gan_experiments.types import UserError

    with pytest.raises(UserError, match="path length needs a generator with styles"):
        launch(tmp_path / "run", *TINY, "model=dcgan", "loss=hinge", "+loss/term=path_length")
    assert not (tmp_path / "run").exists()
