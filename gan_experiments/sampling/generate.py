"""Images from a generator, the same whatever the size of the batches, without a trace in the network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gan_experiments.models.latents import Latents
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.images import to_uint8
from gan_experiments.types import UserError

BLOCK_SIZE = 500  # latents are drawn in blocks of this size, so that no value depends on the size of a batch
MOST_PIXELS = 100 * 64**2  # of the images made at once, where that is more than one


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put the network into evaluation mode without gradients, and restore each module's own flag after."""
    flags = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, flag in flags:
            module.training = flag


def generate(generator: nn.Module, latents: Tensor, labels: Tensor, batch_size: int = 100) -> Tensor:
    """Return one image for each latent (float32, N×C×H×W, on the generator's device).

    At most `batch_size` are made at once, and of large ones fewer: 100 of 512×512 pixels would take tens of GiB.
    """
    device = next(generator.parameters()).device
    made: list[Tensor] = []
    start, step = 0, 1  # the first one alone, since it tells how large they are
    with evaluating(generator), torch.autocast(device.type, enabled=False):
        while start < len(latents):
            part = slice(start, start + step)
            made.append(generator(latents[part].to(device), labels[part].to(device)))
            start += step
            step = max(1, min(batch_size, MOST_PIXELS // made[0].shape[-1] ** 2))
    return torch.cat(made)


def shuffle(count: int) -> Tensor:
    """Return a permutation that is always the same: data may be sorted, and a part of them must not be one class."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def labels_like(counts: Sequence[int], num_samples: int, seed: int) -> Tensor:
    """Draw labels (int64, N) independently, with probabilities as `counts`; zeros where there are no classes.

    Equal shares would make samples depend on each other, and an unbiased estimate such as KID's biased.
    """
    if not counts:
        return torch.zeros(num_samples, dtype=torch.int64)
    stream = torch.Generator().manual_seed(stream_seed("evaluation labels", seed))
    return torch.multinomial(torch.tensor(counts, dtype=torch.float64), num_samples, replacement=True, generator=stream)


def sample_blocks(
    generator: nn.Module, latents: Latents, labels: Tensor, value_range: Sequence[float], seed: int, batch_size: int
) -> Iterator[tuple[Tensor, float]]:
    """Return pixels (uint8, n×C×H×W) and the share of clipped values, block by block; block b follows from (seed, b).

    Raises:
        UserError: the generator gives values that are not finite.
    """
    for block, start in enumerate(range(0, len(labels), BLOCK_SIZE)):
        stream = torch.Generator().manual_seed(stream_seed("evaluation latents", seed, block))
        wanted = labels[start : start + BLOCK_SIZE]
        images = generate(generator, latents.sample(BLOCK_SIZE, stream)[: len(wanted)], wanted, batch_size)
        if not images.isfinite().all():
            raise UserError(
                "the generator gives values that are not finite: training has diverged; measure an earlier one"
            )
        yield to_uint8(images, value_range)


def noise_blocks(shape: Sequence[int], num_images: int, seed: int) -> Iterator[tuple[Tensor, float]]:
    """Return images of independent, uniformly distributed pixels (uint8, n×C×H×W): what a metric says of the worst."""
    for block, start in enumerate(range(0, num_images, BLOCK_SIZE)):
        stream = torch.Generator().manual_seed(stream_seed("evaluation noise", seed, block))
        pixels = torch.randint(256, (BLOCK_SIZE, *shape), generator=stream).to(torch.uint8)
        yield pixels[: num_images - start], 0.0
