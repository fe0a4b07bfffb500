"""Images that are measured: samples, or what stands in their place."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gan_experiments.metrics.distributed import gather_blocks, rank_and_world_size
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.features import Features, compute_features
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import BLOCK_SIZE

Blocks = Callable[[Sequence[int]], Iterator[tuple[Tensor, float]]]


@dataclass(eq=False)
class Images:
    """Images that can be made again block by block; the features of all extractors are computed in one pass.

    Args:
        blocks: from numbers of blocks, of `BLOCK_SIZE` images but for the last, to their pixels (uint8, n×C×H×W) and
            the share of values that were clipped.
        labels: the classes (int64, N) asked for.
        extractors: all that will be asked.
    """

    blocks: Blocks
    labels: Tensor
    extractors: Sequence[Extractor]
    share_clipped: float = 0.0  # of the values, outside the value range
    seconds: dict[str, float] = field(default_factory=dict)  # of the parts of the pass
    known: dict[str, Features] = field(default_factory=dict)  # by extractor

    def features(self, extractor: Extractor) -> Features:
        """Return all images as an extractor sees them."""
        if not self.known:
            self.compute()
        return self.known[extractor.name]

    def pixels(self) -> Tensor:
        """Return all images (uint8, N×C×H×W), made anew."""
        return torch.cat([pixels for pixels, _ in self.blocks(range(self._num_blocks))])

    def compute(self) -> None:
        """Compute the features; of several processes, each makes every so many-th block, and all get all features."""
        rank, world_size = rank_and_world_size()
        own = range(rank, self._num_blocks, world_size) or range(1)  # one that has no block computes one for nothing
        labels = torch.cat([self.labels[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE] for block in own])
        clipped: list[Tensor] = []
        began = time.perf_counter()
        features = compute_features(self._timed(own, clipped), labels, self.extractors)
        self.seconds["features"] = time.perf_counter() - began - self.seconds["samples"]
        total = len(self.labels)
        if world_size > 1:
            features = [
                Features(
                    gather_blocks(part.features, total, BLOCK_SIZE),
                    None if part.logits is None else gather_blocks(part.logits, total, BLOCK_SIZE),
                    self.labels,
                )
                for part in features
            ]
            clipped = [gather_blocks(torch.cat(clipped), total, BLOCK_SIZE)]
        self.share_clipped = float(torch.cat(clipped).mean())
        self.known = {extractor.name: part for extractor, part in zip(self.extractors, features, strict=True)}

    def _timed(self, numbers: Sequence[int], clipped: list[Tensor]) -> Iterator[Tensor]:
        self.seconds["samples"] = 0.0
        blocks = self.blocks(numbers)
        while True:
            began = time.perf_counter()
            pixels, share = next(blocks, (None, 0.0))
            self.seconds["samples"] += time.perf_counter() - began
            if pixels is None:
                return
            clipped.append(torch.full((len(pixels),), share, dtype=torch.float64))
            yield pixels

    @property
    def _num_blocks(self) -> int:
        return -(-len(self.labels) // BLOCK_SIZE)


def noise(shape: Sequence[int], labels: Tensor, extractors: Sequence[Extractor], seed: int) -> Images:
    """Return images (C×H×W) of independent, uniformly distributed pixels, as many as labels."""

    def blocks(numbers: Sequence[int]) -> Iterator[tuple[Tensor, float]]:
        for block in numbers:
            stream = torch.Generator().manual_seed(stream_seed("evaluation noise", seed, block))
            pixels = torch.randint(256, (BLOCK_SIZE, *shape), generator=stream).to(torch.uint8)
            yield pixels[: len(labels) - block * BLOCK_SIZE], 0.0

    return Images(blocks, labels, extractors)
