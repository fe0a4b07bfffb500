"""Statistics of the initialisation, what it leaves alone, and that it is drawn from the default generator."""

from typing import Any

import pytest
import torch
from torch import nn

from gan_experiments.models import dcgan, report_e
from gan_experiments.models.conditioning import ConcatenateEmbedding, Projection
from gan_experiments.models.initialization import NormalInitialization


def small_network() -> Any:
    return nn.Sequential(
        nn.Conv2d(16, 32, 4),
        nn.BatchNorm2d(4000),
        nn.GroupNorm(1, 4000),
        nn.Linear(200, 100),
        nn.ConvTranspose2d(32, 8, 4),
    )


def test_normal_statistics() -> None:
    torch.manual_seed(0)
    network = small_network()
    NormalInitialization(std=0.05)(network)
    for index, mean in enumerate([0.0, 1.0, 1.0, 0.0, 0.0]):
        weight = network[index].weight
        assert weight.mean().item() == pytest.approx(mean, abs=5 * 0.05 / weight.numel() ** 0.5)
        assert weight.std().item() == pytest.approx(0.05, rel=5 / (2 * weight.numel()) ** 0.5)
        assert network[index].bias.abs().max().item() == 0


def test_normal_leaves_alone_what_it_is_not_told() -> None:
    torch.manual_seed(0)
    discriminator = report_e.Discriminator()
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    NormalInitialization(layers=["convolution", "norm"], biases="keep")(discriminator)
    after = discriminator.state_dict()
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert {"class_head.weight", "class_head.bias", "layers.0.0.bias", "score_head.bias"} <= kept
    assert kept.isdisjoint({"layers.0.0.weight", "layers.1.1.weight", "score_head.weight"})
    assert after["layers.1.1.bias"].abs().max().item() == 0


def test_told_of_no_layer_it_changes_and_draws_nothing() -> None:
    network = small_network()
    before = [parameter.clone() for parameter in network.parameters()]
    state = torch.get_rng_state()
    NormalInitialization(layers=[])(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_values_come_from_the_default_generator_alone() -> None:
    states = []
    for construction_seed in (1, 2):
        torch.manual_seed(construction_seed)
        network = small_network()
        torch.manual_seed(0)
        NormalInitialization()(network)
        states.append(network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("norm", ["batch", "layer", "spectral", "none"])
def test_whole_networks_on_the_meta_device(norm: str) -> None:
    with torch.device("meta"):
        NormalInitialization()(dcgan.Generator(10, 16, 1, condition=ConcatenateEmbedding(3, 4)))
        NormalInitialization()(dcgan.Discriminator(16, 1, norm=norm, condition=Projection(3)))  # type: ignore[arg-type]


def test_embeddings_keep_the_scale_of_latents() -> None:
    torch.manual_seed(0)
    condition = ConcatenateEmbedding(50, 50)
    NormalInitialization()(dcgan.Generator(10, 8, 1, condition=condition))
    assert condition.embedding.weight.std().item() == pytest.approx(1, abs=0.05)


def test_projection_is_initialised_as_the_score_is() -> None:
    torch.manual_seed(0)
    condition = Projection(10)
    NormalInitialization()(dcgan.Discriminator(8, 1, condition=condition))
    assert condition.embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_spectral_weights_are_set_beneath_their_norm() -> None:
    torch.manual_seed(0)
    discriminator = dcgan.Discriminator(8, 1, widths=[64], norm="spectral")
    NormalInitialization(std=0.5)(discriminator)
    first = discriminator.get_submodule("layers.0.0")
    assert isinstance(first, nn.Conv2d)
    original = first.get_parameter("parametrizations.weight.original").detach().flatten(1)
    assert original.std().item() == pytest.approx(0.5, rel=0.1)
    assert torch.linalg.matrix_norm(first.weight.flatten(1), ord=2).item() == pytest.approx(1.0, rel=0.2)


def test_norms_without_parameters_are_passed_over() -> None:
    NormalInitialization()(nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.Linear(3, 2, bias=False)))
