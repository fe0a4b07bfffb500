"""A user's own loss, networks, schedule and data: files in a directory of theirs, nothing edited in the package."""

import json
from pathlib import Path

import pytest
from launching import command

pytestmark = pytest.mark.slow  # real processes, one after the other

FILES = {
    "my_loss.py": """
from gan_experiments.losses.objective import AdversarialLoss


class Hinge(AdversarialLoss):
    margin: float = 1.0

    def discriminator_loss(self, step):
        return (self.margin - step.real.scores).relu() + (self.margin + step.fake.scores).relu()

    def generator_loss(self, step):
        return -step.fake.scores
""",
    "my_model.py": """
from torch import nn

from gan_experiments.types import DiscriminatorOutput


class Generator(nn.Module):
    def __init__(self, latent_dim: int, image_size: int, channels: int, width: int):
        super().__init__()
        self.shape = (channels, image_size, image_size)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, width), nn.ReLU(), nn.Linear(width, channels * image_size**2), nn.Tanh()
        )

    def forward(self, latents, labels):
        return self.layers(latents).unflatten(1, self.shape)


class Discriminator(nn.Module):
    def __init__(self, image_size: int, channels: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels * image_size**2, width), nn.LeakyReLU(), nn.Linear(width, 1))

    def forward(self, images, labels):
        return DiscriminatorOutput(self.layers(images.flatten(1)).flatten())


def initialize(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.05)
""",
    "my_schedule.py": """
from gan_experiments.engine.schedules.base import Updates


class GeneratorRests:
    measure_every = None

    def __init__(self, every: int):
        self.every = every

    def plan(self, progress):
        return Updates(discriminator=True, generator=progress.iteration % self.every != 0)

    def observe(self, discriminator_loss, generator_loss):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
""",
    "my_data.py": '''
import numpy as np

from gan_experiments.types import DatasetFacts


class Squares:
    """White squares on black: as many images as said, drawn here."""

    def __init__(self, count: int):
        self.count = count

    def describe(self):
        return DatasetFacts(12, 1, 2, ["small", "large"], self.count, 0)

    def open(self, split):
        import torch

        from gan_experiments.datasets.base import TensorImageSet

        labels = torch.arange(self.count) % 2
        images = torch.zeros(self.count, 1, 12, 12, dtype=torch.uint8)
        for image, label in zip(images, labels, strict=True):
            side = 4 + 4 * int(label)
            image[:, :side, :side] = 255
        return TensorImageSet(images, labels)
''',
    "my_conf/loss/my_loss.yaml": """
# Mine.
my_loss: {_target_: my_loss.Hinge, margin: 0.5}
""",
    "my_conf/model/my_model.yaml": """
# Mine.
name: my_model
value_range: [-1.0, 1.0]
output: tanh
conditional: false
class_head: false
latent_dim: 4
width: 6
initialization: {_target_: my_model.initialize, _partial_: true}
generator:
  _target_: my_model.Generator
  latent_dim: ${model.latent_dim}
  image_size: ${dataset.image_size}
  channels: ${dataset.channels}
  width: ${model.width}
discriminator:
  _target_: my_model.Discriminator
  image_size: ${dataset.image_size}
  channels: ${dataset.channels}
  width: ${model.width}
""",
    "my_conf/schedule/my_schedule.yaml": """
# Mine.
_target_: my_schedule.GeneratorRests
every: 4
""",
    "my_conf/dataset/my_data.yaml": """
# Mine; the facts are asked of the source.
name: my_data
image_size: null
channels: null
num_classes: null
class_names: null
num_train: null
num_test: null
source: {_target_: my_data.Squares, count: 40}
""",
    "my_conf/experiment/mine.yaml": """
# @package _global_
# Mine: all four at once.
defaults:
  - override /dataset: my_data
  - override /model: my_model
  - override /loss: my_loss
  - override /schedule: my_schedule
  - override /evaluation: none
batch_size: 8
budget: {epochs: 2}
log_every_iterations: 2
sample_every_kimg: null
checkpoint_every_kimg: 0.016
""",
}


@pytest.mark.parametrize("name", ["my own parts", "mine"])
def test_parts_of_the_users_own_train_and_go_on_from_another_directory(name: str, tmp_path: Path) -> None:
    mine, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path, content in FILES.items():
        (mine / path).parent.mkdir(parents=True, exist_ok=True)
        (mine / path).write_text(content.lstrip())
    place = "hydra.run.dir=runs/first"

    trained = command("--config-dir", "my_conf", "+experiment=mine", place, cwd=mine, OMP_NUM_THREADS="1")

    assert trained.returncode == 0, trained.stderr
    run = mine / "runs" / "first"
    manifest, results = (json.loads((run / file).read_text()) for file in ("manifest.json", "results.json"))
    assert manifest["config"]["code_dirs"] == [str(mine)]
    assert manifest["config"]["model"]["generator"]["image_size"] == 12
    assert (results["iterations"], results["discriminator_steps"], results["generator_steps"]) == (10, 10, 7)
    assert {"discriminator/my_loss", "generator/my_loss"} <= set(results)

    # The quotes are for Hydra's own grammar, which ends a value at a space.
    resumed = command(f"resume='{run}'", "budget.epochs=4", cwd=elsewhere, OMP_NUM_THREADS="1")

    assert resumed.returncode == 0, resumed.stderr
    assert not list(elsewhere.iterdir())
    manifest, results = (json.loads((run / file).read_text()) for file in ("manifest.json", "results.json"))
    assert (results["iterations"], results["generator_steps"]) == (20, 15)
    assert [session["from_iteration"] for session in manifest["sessions"]] == [0, 10]
    assert manifest["status"] == "finished"
