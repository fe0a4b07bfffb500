"""Samples beside the training images that they resemble most."""

import torch
from torch import Tensor, nn

from gan_experiments.metrics.features import look
from gan_experiments.metrics.memorization import nearest
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.sampling.sampler import BLOCK_SIZE

NUM_BLOCKS = 4


def nearest_pairs(generator: nn.Module, protocol: Protocol, seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the samples that lie nearest to a training image, nearest first, and these training images.

    Of the first 2,000 samples of an evaluation with this seed, by distance between the first extractor's features.

    Args:
        generator: latents (N×latent_dim) and labels (N) to images.
        protocol: how the run is measured.
        seed: of the samples.
        count: how many pairs.

    Returns:
        Samples and training images (uint8, count×C×H×W each).
    """
    extractor = next(iter(protocol.extractors.values())).to(next(generator.parameters()).device)
    labels = protocol.sample_labels(seed)[: NUM_BLOCKS * BLOCK_SIZE]
    samples = torch.cat([block.pixels for block in protocol.sampler(generator).blocks(labels, seed)])
    (seen,) = look([samples], labels, [extractor])
    distances, which = nearest(seen, protocol.seen(extractor)["training"])
    order = distances.argsort()[:count]
    return samples[order].cpu(), protocol.real.training.read(which[order])
