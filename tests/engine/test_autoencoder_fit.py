"""Training of an autoencoder: its history, its streams, its errors."""

import pytest
import torch

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.digits import DigitsSource
from gan_experiments.datasets.regimes.base import Subset
from gan_experiments.engine.autoencoder import AutoencoderRecipe, fit_autoencoder, reconstruct
from gan_experiments.models.autoencoder import AutoencoderNetwork
from gan_experiments.types import UserError

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec", "ignore:.*many workers")
IMAGES = Subset(DigitsSource().open("train"), torch.arange(200))


def network() -> AutoencoderNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoencoderNetwork(8, 1, 2, 8, 1)


def test_the_loss_falls_and_no_stream_outside_is_drawn_from() -> None:
    trained = network()
    before = torch.get_rng_state()
    history = fit_autoencoder(trained, IMAGES, 0, AutoencoderRecipe(epochs=4, batch_size=20, learning_rate=0.01))

    assert torch.equal(torch.get_rng_state(), before)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert not trained.training


def test_the_order_is_the_seeds() -> None:
    recipe = AutoencoderRecipe(epochs=1, batch_size=20)
    losses = [fit_autoencoder(network(), IMAGES, seed, recipe)[0]["loss"] for seed in (0, 0, 1)]

    assert losses[0] == losses[1] != losses[2]


def test_the_first_epoch_of_one_batch_has_the_loss_of_the_untrained_network() -> None:
    history = fit_autoencoder(network(), IMAGES, 0, AutoencoderRecipe(epochs=1, batch_size=500))
    images = IMAGES.read(torch.arange(200)).float() / 255
    expected = (network().train()(images) - images).square().mean()

    assert history[0]["loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_the_error_is_that_of_the_rounded_images() -> None:
    """An image of 100 and 200, seen as 0.5 throughout: 128 after rounding half to even."""
    grey = TensorImageSet(torch.tensor([100, 200], dtype=torch.uint8).view(2, 1, 1, 1), torch.zeros(2))
    pixels, error = reconstruct(torch.nn.Threshold(1, 0.5), grey)

    assert pixels.flatten().tolist() == [128, 128]
    assert error == pytest.approx(((28 / 255) ** 2 + (72 / 255) ** 2) / 2)


def test_one_image_is_too_few() -> None:
    with pytest.raises(UserError, match="there are 1"):
        fit_autoencoder(network(), Subset(IMAGES, torch.arange(1)), 0)
