"""Altered images, on a linear discriminator whose gradients are known by hand."""

import pytest
import torch
from torch import Tensor, nn

from gan_experiments.inspection.inspect import recognized
from gan_experiments.inspection.perturbation import perturb
from gan_experiments.types import DiscriminatorOutput

RANGE = (-1.0, 1.0)


class Linear(nn.Module):
    """Class logits W x of images of two pixels; W is 3×2."""

    def __init__(self, *rows: tuple[float, float]) -> None:
        super().__init__()
        self.weight = torch.tensor(rows)

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        logits = images.flatten(1) @ self.weight.T
        return DiscriminatorOutput(logits.sum(1), logits)


def images(*values: tuple[float, float]) -> Tensor:
    return torch.tensor(values)[:, None, None, :]


def test_a_step_goes_where_the_likeliest_other_class_gains_most() -> None:
    # Towards class t the loss has the gradient sum_k p_k W_k - W_t, here p_0 (W_0 - W_1) with two classes.
    network = Linear((1.0, -2.0), (-1.0, 2.0))
    found = perturb(network, images((0.2, -0.2)), torch.tensor([0]), RANGE, step=0.1)

    assert found.towards.tolist() == [1]
    assert found.signs.flatten().tolist() == [-1, 1]
    assert found.altered.flatten().tolist() == pytest.approx([0.0, 0.0], abs=0.005)  # rounded to 8 bits
    assert found.before.tolist() == [0]


def test_the_class_is_changed_by_a_step_that_is_large_enough_and_not_by_a_smaller_one() -> None:
    network = Linear((1.0, -2.0), (-1.0, 2.0))  # the margin of 1.2 falls by 2 · 3 · ε · 2
    real, label = images((0.2, -0.2)), torch.tensor([0])

    assert perturb(network, real, label, RANGE, step=0.09).after.tolist() == [0]
    assert perturb(network, real, label, RANGE, step=0.11).after.tolist() == [1]


def test_the_other_class_is_the_likeliest_that_is_not_true_even_where_the_true_one_is_not_recognised() -> None:
    network = Linear((0.0, 0.0), (1.0, 0.0), (0.5, 0.0))
    found = perturb(network, images((1.0, 0.0), (1.0, 0.0)), torch.tensor([1, 0]), RANGE, step=0.1)

    assert found.before.tolist() == [1, 1]
    assert found.towards.tolist() == [2, 1]


@pytest.mark.parametrize("steps", [1, 2, 10])
@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_no_value_moves_further_than_the_step_or_leaves_the_range(steps: int, value_range: tuple[float, float]) -> None:
    low, high = value_range
    network = Linear((1.0, -2.0), (-1.0, 2.0), (3.0, 0.5))
    pixels = torch.randint(0, 256, (600, 1, 1, 2), generator=torch.Generator().manual_seed(0))
    real = pixels / 255 * (high - low) + low
    found = perturb(network, real, torch.arange(600) % 3, value_range, step=8 / 255, steps=steps)
    moved = ((found.altered - low) / (high - low) * 255 - pixels).abs()

    assert moved.max().item() == pytest.approx(8, abs=1e-3)
    assert low <= found.altered.min()
    assert found.altered.max() <= high
    inside = ((pixels >= 8) & (pixels <= 247)).all(-1).flatten()
    if steps == 1:
        assert torch.allclose(moved[inside], torch.tensor(8.0), atol=1e-3)


def test_images_are_judged_without_gradients_left_behind() -> None:
    network = Linear((1.0, -2.0), (-1.0, 2.0))
    real = images((0.2, -0.2))
    perturb(network, real, torch.tensor([0]), RANGE, step=0.1, steps=3)

    assert not real.requires_grad
    assert real.flatten().tolist() == pytest.approx([0.2, -0.2])


def test_shares_come_with_intervals_and_chance() -> None:
    found = recognized(torch.tensor([0, 0, 1, 0]), torch.tensor([0, 0, 1, 1]), 2)

    assert found["share"] == 0.75
    assert found["chance"] == 0.5
    assert found["by_class"] == [1.0, 0.5]
    assert found["interval"] == pytest.approx([0.3006, 0.9544], abs=1e-4)  # Wilson 1927, by hand


def test_an_interval_is_none_of_the_impossible() -> None:
    ten = torch.zeros(10, dtype=torch.int64)
    assert recognized(ten + 1, ten, 2)["interval"] == pytest.approx([0.0, 0.2775], abs=1e-4)
    assert recognized(ten, ten, 2)["interval"] == pytest.approx([0.7225, 1.0], abs=1e-4)
