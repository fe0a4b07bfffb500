"""Images that are measured, and their features: of samples or what stands in their place, and of real images."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics

from gan_experiments.datasets.loader import fingerprint, pixel_blocks
from gan_experiments.datasets.tensors import Stored, cached_tensors
from gan_experiments.metrics.distributed import gather_blocks, rank_and_world_size
from gan_experiments.metrics.extractors.base import Extractor, fit_pixels, weights_hash
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import BLOCK_SIZE
from gan_experiments.types import ImageSet, UserError

BATCH_SIZE = 250


@dataclass(eq=False)
class Features:
    """Features (float32, N×D), class logits (float32, N×K) or None, and labels (int64, N) of N images, on the CPU."""

    features: Tensor
    logits: Tensor | None
    labels: Tensor

    def __len__(self) -> int:
        return len(self.features)

    def take(self, which: Tensor | slice) -> "Features":
        """Return a part of the images."""
        return Features(self.features[which], None if self.logits is None else self.logits[which], self.labels[which])

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """Mean and covariance of the features, in double precision, as torch-fidelity's FID takes them."""
        statistics: dict[str, Any] = fid_features_to_statistics(self.features.double())
        return statistics

    @cached_property
    def predicted(self) -> Tensor:
        """The most likely class of each image (int64, N)."""
        assert self.logits is not None
        return self.logits.argmax(1)


def compute_features(blocks: Iterable[Tensor], labels: Tensor, extractors: Sequence[Extractor]) -> list[Features]:
    """Run pixels (uint8, n×C×H×W a block) through all extractors, so that each image is made once.

    Raises:
        UserError: an extractor is for other images, or returns features that are not finite.
    """
    results: list[list[tuple[Tensor, Tensor | None]]] = [[] for _ in extractors]
    with torch.no_grad():
        for pixels in (part for block in blocks for part in torch.split(block, BATCH_SIZE)):
            for extractor, outputs in zip(extractors, results, strict=True):
                device = next((value.device for value in extractor.parameters()), pixels.device)
                features, logits = extractor(fit_pixels(pixels, extractor).to(device))
                outputs.append((features.float().cpu(), None if logits is None else logits.float().cpu()))
    joined = []
    for extractor, outputs in zip(extractors, results, strict=True):
        features = torch.cat([features for features, _ in outputs])
        if not features.isfinite().all():
            raise UserError(f"extractor {extractor.name!r} returns features that are not finite")
        logits = [logits for _, logits in outputs if logits is not None]
        joined.append(Features(features, torch.cat(logits) if logits else None, labels))
    return joined


def features_of(image_set: ImageSet, extractor: Extractor, cache_dir: Path) -> Features:
    """Run a set of real images through an extractor, or load the cached features.

    The name of the file is made of what the features depend on: images, weights, layers, and the input's form.
    """
    form = f"{extractor.image_size} {extractor.channels} {extractor!r}"
    content = f"{fingerprint(image_set)} {weights_hash(extractor)} {form}"
    path = cache_dir / f"features-{extractor.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.safetensors"

    def compute() -> Stored:
        (result,) = compute_features(pixel_blocks(image_set), image_set.labels, [extractor])
        return {"features": result.features} | ({} if result.logits is None else {"logits": result.logits}), {}

    tensors, _ = cached_tensors(path, compute)
    return Features(tensors["features"], tensors.get("logits"), image_set.labels)


@dataclass(eq=False)
class Images:
    """Images that can be made again block by block; the features of all extractors are computed in one pass.

    Args:
        blocks: from numbers of blocks, of `BLOCK_SIZE` images but for the last, to their pixels (uint8, n×C×H×W) and
            the share of values that were clipped.
        labels: the classes (int64, N) asked for.
        extractors: all that will be asked.
    """

    blocks: Callable[[Sequence[int]], Iterator[tuple[Tensor, float]]]
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
        num_blocks = -(-len(self.labels) // BLOCK_SIZE)
        return torch.cat([pixels for pixels, _ in self.blocks(range(num_blocks))])

    def compute(self) -> None:
        """Compute the features; of several processes, each makes every so many-th block, and all get all features."""
        rank, world_size = rank_and_world_size()
        blocks_of_labels = torch.split(self.labels, BLOCK_SIZE)
        own = range(rank, len(blocks_of_labels), world_size) or range(1)  # without a block, one for nothing
        labels = torch.cat([blocks_of_labels[block] for block in own])
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


def noise(shape: Sequence[int], labels: Tensor, extractors: Sequence[Extractor], seed: int) -> Images:
    """Return images (C×H×W) of independent, uniformly distributed pixels, as many as labels."""

    def blocks(numbers: Sequence[int]) -> Iterator[tuple[Tensor, float]]:
        for block in numbers:
            stream = torch.Generator().manual_seed(stream_seed("evaluation noise", seed, block))
            pixels = torch.randint(256, (BLOCK_SIZE, *shape), generator=stream).to(torch.uint8)
            yield pixels[: len(labels) - block * BLOCK_SIZE], 0.0

    return Images(blocks, labels, extractors)
