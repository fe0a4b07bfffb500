"""Supervised training: its history, its streams, its errors; classifiers and autoencoders."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.digits import DigitsSource
from gan_experiments.datasets.regimes.base import Subset
from gan_experiments.engine.supervised import (
    CLASSIFIER,
    Loss,
    Recipe,
    classification,
    fit,
    fit_classifier,
    reconstruct,
    reconstruction,
)
from gan_experiments.models.autoencoder import AutoencoderNetwork
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.rng import seeded
from gan_experiments.types import UserError

IMAGES = Subset(DigitsSource().open("train"), torch.arange(200))
HELD_OUT = Subset(DigitsSource().open("test"), torch.arange(100))
AUTOENCODER = Recipe(epochs=4, batch_size=20, learning_rate=0.01, value_range=(0.0, 1.0))


def autoencoder() -> nn.Module:
    with seeded("test"):
        return AutoencoderNetwork(8, 1, 2, 8, 1)


def classifier() -> nn.Module:
    with seeded("test"):
        return SmallCNN(8, 1, 10)


@pytest.mark.parametrize(
    ("network", "loss", "recipe"),
    [(autoencoder(), reconstruction, AUTOENCODER), (classifier(), classification, replace(CLASSIFIER, min_steps=1))],
    ids=["autoencoder", "classifier"],
)
def test_the_loss_falls_and_no_stream_outside_is_drawn_from(network: nn.Module, loss: Loss, recipe: Recipe) -> None:
    before = torch.get_rng_state()
    with torch.no_grad():  # as where a metric trains
        history = fit(network, loss, IMAGES, recipe, 0)

    assert torch.equal(torch.get_rng_state(), before)
    assert [row["epoch"] for row in history] == list(range(1, recipe.epochs + 1))
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert not network.training


def test_the_order_is_the_seeds() -> None:
    losses = [fit(autoencoder(), reconstruction, IMAGES, AUTOENCODER, seed)[0]["loss"] for seed in (0, 0, 1)]

    assert losses[0] == losses[1] != losses[2]


def test_the_first_epoch_of_one_batch_has_the_values_of_the_untrained_network() -> None:
    one_batch = Recipe(epochs=1, batch_size=500, learning_rate=0.01, value_range=(0.0, 1.0))
    pixels = IMAGES.read(torch.arange(200)).float() / 255
    expected = (autoencoder().train()(pixels) - pixels).square().mean()
    logits = classifier().train()(pixels * 2 - 1).class_logits

    (row,) = fit(autoencoder(), reconstruction, IMAGES, one_batch, 0)
    assert row["loss"] == pytest.approx(expected.item(), rel=1e-4)
    (row,) = fit(classifier(), classification, IMAGES, replace(one_batch, value_range=(-1.0, 1.0)), 0)
    assert row["accuracy"] == pytest.approx(float((logits.argmax(1) == IMAGES.labels).float().mean()), abs=0.01)
    assert row["loss"] == pytest.approx(nn.functional.cross_entropy(logits, IMAGES.labels).item(), rel=1e-4)


def test_small_sets_are_seen_more_often() -> None:
    recipe = replace(AUTOENCODER, epochs=1, min_steps=25)  # ten batches an epoch
    assert len(fit(autoencoder(), reconstruction, IMAGES, recipe, 0)) == 3


def test_a_constant_rate_is_adams_and_a_cycle_ends_near_zero() -> None:
    start, constant, cycle = autoencoder(), autoencoder(), autoencoder()
    fit(constant, reconstruction, IMAGES, replace(AUTOENCODER, epochs=1, batch_size=200), 0)
    fit(cycle, reconstruction, IMAGES, replace(AUTOENCODER, epochs=1, batch_size=200, min_steps=3, warm_up=0.5), 0)

    def largest_change(network: nn.Module) -> float:
        pairs = zip(network.parameters(), start.parameters(), strict=True)
        return max(float((after - before).detach().abs().max()) for after, before in pairs)

    assert largest_change(constant) == pytest.approx(0.01, rel=1e-3)  # Adam's first step is the rate
    assert largest_change(cycle) < 3 * 0.01


def test_held_out_images_are_measured_in_evaluation_mode_after_the_last_epoch() -> None:
    network = classifier()
    recipe = replace(CLASSIFIER, epochs=2, min_steps=1)
    accuracy = fit_classifier(network, IMAGES, HELD_OUT, 0, recipe)
    with torch.no_grad():
        logits = network(HELD_OUT.read(torch.arange(100)) / 127.5 - 1).class_logits

    assert accuracy == pytest.approx(float((logits.argmax(1) == HELD_OUT.labels).float().mean()))
    assert fit_classifier(network, IMAGES, None, 0, recipe) is None


def test_the_error_is_that_of_the_rounded_images() -> None:
    """An image of 100 and 200, seen as 0.5 throughout: 128 after rounding half to even."""
    grey = TensorImageSet(torch.tensor([100, 200], dtype=torch.uint8).view(2, 1, 1, 1), torch.zeros(2))
    pixels, error = reconstruct(torch.nn.Threshold(1, 0.5), grey)

    assert pixels.flatten().tolist() == [128, 128]
    assert error == pytest.approx(((28 / 255) ** 2 + (72 / 255) ** 2) / 2)


def test_one_image_is_too_few() -> None:
    with pytest.raises(UserError, match="two images or more, and there are 1"):
        fit(autoencoder(), reconstruction, Subset(IMAGES, torch.arange(1)), AUTOENCODER, 0)
