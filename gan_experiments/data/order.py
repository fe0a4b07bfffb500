"""The order in which images are seen: a pure function of (seed, epoch), so that resuming needs no replay."""

import hashlib

import torch
from torch import Tensor


def stream_seed(purpose: str, *numbers: int) -> int:
    """Mix whole numbers into the seed of an independent random stream, 0..2^63-1.

    The first 8 bytes of SHA-256 over "purpose:n1:n2:…", the same on every machine and version. Neighbouring numbers
    give unrelated streams, which `seed + epoch` does not: there, seed 1 in epoch 2 repeats seed 2 in epoch 1.
    """
    text = ":".join([purpose, *map(str, numbers)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def epoch_order(seed: int, epoch: int, num_images: int) -> Tensor:
    """Give a permutation of 0..num_images-1 (int64, on the CPU, so that it is the same for every device)."""
    generator = torch.Generator().manual_seed(stream_seed("order", seed, epoch))
    return torch.randperm(num_images, generator=generator)


def batch_indices(order: Tensor, position: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Tensor:
    """Give process `rank`'s equal share of the global batch at `position` in an epoch's order.

    `batch_size` counts the images of all processes; positions are 0..len(order) // batch_size - 1.
    """
    assert batch_size % world_size == 0, "every process takes as many images"
    assert 0 <= position < len(order) // batch_size, "the last partial batch is dropped"
    share = batch_size // world_size
    start = position * batch_size + rank * share
    return order[start : start + share]
