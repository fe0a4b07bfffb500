"""Images that maximise outputs, on networks whose maximisers are known by hand."""

import pytest
import torch
from torch import Tensor, nn

from gan_experiments.inspection.layers import channel_means, check_layers, default_layers, leaf_layers
from gan_experiments.inspection.maximization import (
    Maximization,
    maximize,
    maximize_channels,
    maximize_classes,
    total_variation,
)
from gan_experiments.models.report_b import Discriminator as ReportB
from gan_experiments.types import DiscriminatorOutput, UserError

RANGE = (0.0, 1.0)


class Halves(nn.Module):
    """Logits of 8×8 images: left minus right, right minus left; two channels, the image and its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1, bias=False)
        self.rest = nn.ReLU(inplace=True)
        self.unused = nn.Linear(1, 1)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        self.rest(self.first(images))
        left, right = images[..., :4].mean((1, 2, 3)), images[..., 4:].mean((1, 2, 3))
        return DiscriminatorOutput(left, torch.stack([left - right, right - left], 1))


@pytest.fixture
def real() -> Tensor:
    return torch.rand((64, 1, 8, 8), generator=torch.Generator().manual_seed(1))


def test_each_image_is_bright_where_its_class_is(real: Tensor) -> None:
    made, asked = maximize_classes(Halves().eval(), real, RANGE, range(2), 2, Maximization(100, 0.1, 0))

    assert asked.tolist() == [0, 0, 1, 1]
    left, right = made[..., :4].mean((1, 2, 3)), made[..., 4:].mean((1, 2, 3))
    assert (left - right).tolist() == pytest.approx([1, 1, -1, -1], abs=0.2)
    assert made.min() >= 0
    assert made.max() <= 1
    assert not torch.equal(made[0], made[1])  # each from its own noise


def test_each_channel_of_a_layer_has_an_image(real: Tensor) -> None:
    made = maximize_channels(Halves().eval(), "first", real, RANGE, 100, Maximization(100, 0.1, 0))

    assert made.shape == (2, 1, 8, 8)
    assert made[0].mean() > 0.9
    assert made[1].mean() < 0.1
    assert len(maximize_channels(Halves().eval(), "first", real, RANGE, 1, Maximization(1, 0.1, 0))) == 1


def test_regularization_keeps_an_image_near_the_mean_of_the_real_ones(real: Tensor) -> None:
    far, near = (
        maximize_classes(Halves().eval(), real, RANGE, range(2), 1, Maximization(100, weight, 0))[0]
        for weight in (0.1, 1e4)
    )
    assert (near - real.mean(0)).square().mean() < 0.01 < (far - real.mean(0)).square().mean()
    assert (total_variation(near) < total_variation(real).mean()).all()


def test_regularization_means_the_same_for_outputs_of_any_scale(real: Tensor) -> None:
    def outputs(scale: float) -> Tensor:
        def answers(images: Tensor) -> Tensor:
            return scale * images[..., :4].mean((1, 2, 3))[:, None]

        return maximize(answers, torch.tensor([0]), real, RANGE, Maximization(30, 20, 0), "test")

    assert torch.allclose(outputs(1.0), outputs(1000.0), atol=1e-3)


def test_images_follow_from_the_seed_alone(real: Tensor) -> None:
    def made(seed: int) -> Tensor:
        torch.rand(3)  # other draws make no difference
        return maximize_classes(Halves().eval(), real, RANGE, range(2), 1, Maximization(5, 1, seed))[0]

    assert torch.equal(made(0), made(0))
    assert not torch.equal(made(0), made(1))


def test_many_images_are_made_in_blocks(real: Tensor) -> None:
    made, asked = maximize_classes(Halves().eval(), real, RANGE, range(2), 70, Maximization(40, 0.1, 0))
    with torch.no_grad():
        seen = Halves()(made, asked).class_logits

    assert made.shape == (140, 1, 8, 8)
    assert seen is not None
    assert torch.equal(seen.argmax(1), asked)


def test_total_variation_counts_differences_of_neighbours() -> None:
    assert total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])).tolist() == [1.0]
    assert total_variation(torch.full((2, 1, 4, 4), 0.3)).tolist() == [0.0, 0.0]


def test_a_layer_is_read_before_the_next_works_in_place(real: Tensor) -> None:
    means = channel_means(Halves(), "first", real)

    assert means.shape == (64, 2)
    assert torch.allclose(means[:, 1], -real.mean((1, 2, 3)))
    assert (channel_means(Halves(), "rest", real)[:, 1] == 0).all()


def test_layers_that_cannot_be_looked_at_are_refused(real: Tensor) -> None:
    with pytest.raises(UserError, match=r"--layer second: .* its layers are: first, rest, unused"):
        check_layers(Halves(), ["first", "second"])
    with pytest.raises(UserError, match="does not use this layer"):
        channel_means(Halves(), "unused", real)
    assert not Halves()(real, torch.zeros(64)).scores.requires_grad


def test_report_bs_fourth_and_eighth_convolution_are_chosen() -> None:
    with torch.device("meta"):
        network = ReportB()
    assert default_layers(network) == ["layers.3.0", "layers.7.0"]
    assert set(default_layers(network)) < set(leaf_layers(network))


def test_layers_are_chosen_where_there_are_none_or_normalised_convolutions() -> None:
    dense = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 1))
    assert default_layers(dense) == ["0", "2"]
    assert default_layers(nn.Sequential(nn.Flatten())) == ["0"]
    spectral = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 2, 1)), nn.ReLU())
    assert list(leaf_layers(spectral)) == ["0", "1"]
    assert default_layers(spectral) == ["0"]
