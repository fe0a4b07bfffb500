"""The shared layers: the point convolution against torch's own, activationsand spectral normalisation."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_experiments.models.layers import PointConvTranspose2d, normalize_spectrally, output_activation


def twins(*args: int, **kwargs: object) -> tuple[nn.ConvTranspose2d, PointConvTranspose2d]:
    """Make torch's layer and ours with the same weights, each loaded from the other's state dict."""
    torch.manual_seed(0)
    own, ours = nn.ConvTranspose2d(*args, **kwargs), PointConvTranspose2d(*args, **kwargs)  # type: ignore[arg-type]
    ours.load_state_dict(own.state_dict())
    own.load_state_dict(ours.state_dict())
    return own, ours


def assert_same(own: nn.Module, ours: nn.Module, inputs: torch.Tensor) -> None:
    """Compare outputs, gradients of parameters and of inputs, and second derivatives of inputs."""
    results = []
    for layer in (own, ours):
        layer.zero_grad()
        leaf = inputs.clone().requires_grad_()
        output = layer(leaf)
        (slope,) = torch.autograd.grad(output.sin().sum(), leaf, create_graph=True)
        torch.autograd.backward(slope.square().sum())
        results.append([output, slope, *(parameter.grad for parameter in layer.parameters())])
    for expected, actual in zip(*results, strict=True):
        if expected is None or actual is None:  # a bias that shifts the output linearly
            assert expected is actual
        else:
            torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 4),
    features=st.integers(1, 5),
    out_features=st.integers(1, 5),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    bias=st.booleans(),
    last=st.booleans(),
)
def test_point_convolution_is_torchs_function(
    batch: int, features: int, out_features: int, kernel: int, stride: int, bias: bool, last: bool
) -> None:
    own, ours = twins(features, out_features, kernel, stride=stride, bias=bias)
    if last:
        own, ours = own.to(memory_format=torch.channels_last), ours.to(memory_format=torch.channels_last)
    assert_same(own, ours, torch.randn(batch, features, 1, 1))


@pytest.mark.parametrize(
    ("settings_of_layer", "shape"),
    [
        ({}, (2, 4, 3, 2)),  # not a point
        ({}, (4, 1, 1)),  # no batch
        ({"padding": 1}, (2, 4, 1, 1)),
        ({"groups": 2}, (2, 4, 1, 1)),
        ({"dilation": 2}, (2, 4, 1, 1)),
        ({"stride": 2, "output_padding": 1}, (2, 4, 1, 1)),
    ],
)
def test_other_inputs_and_settings_take_torchs_path(settings_of_layer: dict[str, int], shape: tuple[int, ...]) -> None:
    own, ours = twins(4, 6, 4, **settings_of_layer)
    assert_same(own, ours, torch.randn(shape))


def test_point_convolution_refuses_wrong_channels_as_torch_does() -> None:
    with pytest.raises(RuntimeError, match="channels"):
        PointConvTranspose2d(4, 6, 4)(torch.randn(2, 3, 1, 1))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_point_convolution_keeps_the_weights_memory_order(memory_format: torch.memory_format) -> None:
    layer = PointConvTranspose2d(5, 6, 4).to(memory_format=memory_format)
    assert layer(torch.randn(2, 5, 1, 1)).is_contiguous(memory_format=memory_format)


def test_point_convolution_under_autocast_gives_torchs_type() -> None:
    own, ours = twins(5, 6, 4)
    inputs = torch.randn(2, 5, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        expected, actual = own(inputs), ours(inputs)
    assert actual.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(actual, expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(("name", "low", "high"), [("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0), ("linear", -1e4, 1e4)])
def test_output_activation_spans_its_range(name: str, low: float, high: float) -> None:
    values = output_activation(name)(torch.tensor([-1e4, 1e4]))  # type: ignore[arg-type]
    torch.testing.assert_close(values, torch.tensor([low, high]))


def test_spectral_normalisation_brings_the_largest_singular_value_to_one() -> None:
    torch.manual_seed(0)
    network: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 5))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(10)
    normalize_spectrally(network)
    for layer in (network[0], network[2]):
        for _ in range(30):  # power iterations
            weight = layer.weight
        assert torch.linalg.matrix_norm(weight.flatten(1), ord=2).item() == pytest.approx(1.0, rel=1e-3)
