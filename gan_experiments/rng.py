"""Random streams: seeds of independent streams, and the state of this process's generators."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Return this process's random streams as plain containers, which can be gathered from all processes."""
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, cached],
        "torch": torch.get_rng_state().tolist(),
        "cuda": torch.cuda.get_rng_state().tolist() if torch.cuda.is_available() else None,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put this process's random streams where they were."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.tensor(state["cuda"], dtype=torch.uint8))


@contextmanager
def seeded(purpose: str, *numbers: int) -> Iterator[None]:
    """Seed the CPU's default stream by `stream_seed`, and put it back after; the GPUs' streams are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(purpose, *numbers))
        yield


def stream_seed(purpose: str, *numbers: int) -> int:
    """Mix whole numbers into the seed of an independent random stream, 0..2^63-1.

    The first 8 bytes of SHA-256 over "purpose:n1:n2:…", the same on every machine and version. Neighbouring numbers
    give unrelated streams, which `seed + epoch` does not: there, seed 1 in epoch 2 repeats seed 2 in epoch 1.
    """
    text = ":".join([purpose, *map(str, numbers)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
