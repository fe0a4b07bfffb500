"""The autoencoder: shapes at any side, a code of about the same size at any depth, what is refused."""

import pytest
import torch

from gan_experiments.models.autoencoder import AutoencoderNetwork
from gan_experiments.types import UserError


@pytest.mark.parametrize(
    ("num_layers", "code", "parameters"),
    [
        (1, (1, 14, 14), 20),  # 3×3 weights and a bias, there and back
        (2, (4, 7, 7), 1541),
        (3, (16, 4, 4), 19025),
    ],
)
def test_each_layer_halves_the_side_and_the_code_stays_as_large(
    num_layers: int, code: tuple[int, ...], parameters: int
) -> None:
    network = AutoencoderNetwork(28, 1, num_layers, 16, 1)

    assert network.encoder(torch.zeros(2, 1, 28, 28)).shape == (2, *code)
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert len(network.encoder) == len(network.decoder) == num_layers


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("image_size", [8, 9, 15, 28, 31])
def test_images_come_back_in_their_shape_and_range(num_layers: int, image_size: int) -> None:
    network = AutoencoderNetwork(image_size, 3, num_layers, 4, 2)
    images = torch.rand(2, 3, image_size, image_size)

    made = network(images)
    assert made.shape == images.shape
    assert 0 <= made.min() <= made.max() <= 1


@pytest.mark.parametrize(
    ("image_size", "num_layers", "message"),
    [(28, 4, "1 to 3 layers .* not 4"), (28, 0, "not 0"), (7, 3, "7×7 cannot be halved 3 times")],
)
def test_what_does_not_fit_is_refused(image_size: int, num_layers: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        AutoencoderNetwork(image_size, 1, num_layers, 4, 1)
