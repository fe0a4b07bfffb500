"""Supervised training of a network by a fixed recipe: of classifiers that measure, and of autoencoders."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.augment.operations import RandomCrop
from gan_experiments.datasets.loader import CHUNK_SIZE, Pipeline, pixel_blocks
from gan_experiments.datasets.regimes.base import Reconstructions
from gan_experiments.datasets.tensors import default_device, from_uint8
from gan_experiments.models.autoencoder import AutoencoderNetwork
from gan_experiments.rng import seeded, stream_seed
from gan_experiments.types import Batch, ImageSet, UserError

log = logging.getLogger(__name__)

Loss = Callable[[nn.Module, Batch], dict[str, Tensor]]
"""A network and a batch of N images to `loss`, the scalar to minimise, and to other values of each image, N."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW at a constant rate or in one cycle (Smith & Topin 2018, arXiv:1708.07120)."""

    epochs: int
    min_steps: int = 0  # small sets are seen more often, so that there are at least as many steps
    batch_size: int
    learning_rate: float  # with a cycle, the highest
    warm_up: float | None = None  # share of the steps after which a cycle has its highest rate; None: no cycle
    weight_decay: float = 0.0
    value_range: tuple[float, float] = (-1.0, 1.0)  # of the images that the network sees
    crop_share: float = 0.0  # training images are shifted by up to this share of a side


CLASSIFIER = Recipe(
    epochs=8, min_steps=2000, batch_size=128, learning_rate=5e-3, warm_up=0.2, weight_decay=1e-2, crop_share=1 / 8
)


def fit(
    network: nn.Module, loss: Loss, images: ImageSet, recipe: Recipe, seed: int, held_out: ImageSet | None = None
) -> list[dict[str, float]]:
    """Train a network in place, with random streams of its own; it is left in evaluation mode on the CPU.

    Returns:
        For each epoch its number, the mean of each value of `loss`, and each tenth of the epochs those on held-out
        images as `held_out_...`.

    Raises:
        UserError: there are fewer than two images.
    """
    if len(images) < 2:
        raise UserError(f"training a network needs two images or more, and there are {len(images)}")
    side = images.read(torch.tensor([0])).shape[-1]
    pipeline = Pipeline(
        images,
        batch_size=min(recipe.batch_size, len(images)),
        seed=seed,
        value_range=recipe.value_range,
        augmentations={"crop": RandomCrop(max(1, round(side * recipe.crop_share)))} if recipe.crop_share else {},
    )
    num_steps = pipeline.batches_per_epoch
    epochs = max(recipe.epochs, -(-recipe.min_steps // num_steps))
    device = default_device()
    network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    cycle = None
    if recipe.warm_up is not None:
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=epochs * num_steps, pct_start=recipe.warm_up
        )

    def step(batch: Batch) -> dict[str, Tensor]:
        values = loss(network, batch)
        optimizer.zero_grad()
        torch.autograd.backward(values["loss"])
        optimizer.step()
        if cycle is not None:
            cycle.step()
        return values

    history = []
    for epoch in range(epochs):
        with torch.enable_grad(), seeded("supervised", seed, epoch):
            network.train()
            row = {"epoch": epoch + 1.0} | _means(pipeline.from_iteration(epoch * num_steps), step, device)
        if (epoch + 1) % max(1, epochs // 10) == 0 or epoch + 1 == epochs:
            if held_out is not None:
                with torch.no_grad():
                    network.eval()
                    batches = _in_order(held_out, recipe.value_range)
                    means = _means(batches, lambda batch: loss(network, batch), device)
                row |= {f"held_out_{name}": value for name, value in means.items()}
            log.info("%s: %s", type(network).__name__, ", ".join(f"{name} {value:.4g}" for name, value in row.items()))
        history.append(row)
    network.eval().cpu()
    return history


def _means(
    batches: Iterable[Batch], values: Callable[[Batch], dict[str, Tensor]], device: torch.device
) -> dict[str, float]:
    sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=device))
    count = 0
    for images, labels in batches:
        for name, value in values(Batch(images.to(device), labels.to(device))).items():
            sums[name] += value.detach().sum() if value.ndim else value.detach() * len(images)
        count += len(images)
    return {name: float(value / count) for name, value in sums.items()}


def _in_order(image_set: ImageSet, value_range: tuple[float, float]) -> Iterator[Batch]:
    for pixels, labels in zip(pixel_blocks(image_set), torch.split(image_set.labels, CHUNK_SIZE), strict=True):
        yield Batch(from_uint8(pixels, value_range), labels)


def classification(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Return the cross-entropy of `network(images, labels).class_logits`, and which images are classified rightly."""
    images = batch.images.contiguous(memory_format=torch.channels_last)
    logits = network(images, batch.labels).class_logits
    return {"loss": F.cross_entropy(logits, batch.labels), "accuracy": (logits.argmax(1) == batch.labels).float()}


def reconstruction(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Return the mean squared error of `network(images)`."""
    return {"loss": F.mse_loss(network(batch.images), batch.images)}


def fit_classifier(
    network: nn.Module, images: ImageSet, held_out: ImageSet | None, seed: int, recipe: Recipe = CLASSIFIER
) -> float | None:
    """Train a classifier (see `classification`) in place; return its accuracy on held-out images, if there are any."""
    network.to(memory_format=torch.channels_last)
    history = fit(network, classification, images, recipe, stream_seed("classifier", seed), held_out)
    return history[-1].get("held_out_accuracy")


def fit_reconstructions(
    images: ImageSet,
    held_out: ImageSet | None,
    *,
    num_layers: int,
    width: int,
    code_channels: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Reconstructions:
    """Train an `AutoencoderNetwork` on images and return its reconstructions, with its error on both sets of images."""
    channels, side = images.read(torch.tensor([0])).shape[1:3]
    log.info("Training an autoencoder (num_layers=%d) on %s images, once", num_layers, f"{len(images):,}")
    with seeded("autoencoder weights", seed):
        network = AutoencoderNetwork(side, channels, num_layers, width, code_channels)
    recipe = Recipe(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, value_range=(0.0, 1.0))
    fit(network, reconstruction, images, recipe, stream_seed("autoencoder", seed))
    pixels, error = reconstruct(network, images)
    return Reconstructions(pixels, error, None if held_out is None else reconstruct(network, held_out)[1])


@torch.no_grad()
def reconstruct(network: nn.Module, image_set: ImageSet) -> tuple[Tensor, float]:
    """Return the reconstructions of all images (uint8, N×C×H×W), and their mean squared error where white is 1."""
    reconstructions, squares = [], 0.0
    for pixels in pixel_blocks(image_set):
        images = pixels.float() / 255
        rounded = network(images).mul(255).round().to(torch.uint8)
        squares += float((rounded.double() / 255 - images).square().mean()) * len(images)
        reconstructions.append(rounded)
    return torch.cat(reconstructions), squares / len(image_set)
