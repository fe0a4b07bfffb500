"""Features of sets of images; those of real images are cached under a name made of their content."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics

from gan_experiments.datasets.loader import fingerprint, pixel_blocks
from gan_experiments.datasets.tensors import Stored, cached_tensors
from gan_experiments.metrics.extractors.base import Extractor, fit_pixels, weights_hash
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
        UserError: an extractor is for other images, or gives features that are not finite.
    """
    results: list[list[tuple[Tensor, Tensor | None]]] = [[] for _ in extractors]
    with torch.no_grad():
        for pixels in (part for block in blocks for part in torch.split(block, BATCH_SIZE)):
            for extractor, outputs in zip(extractors, results, strict=True):
                device = next((value.device for value in extractor.parameters()), pixels.device)
                features, logits = extractor(fit_pixels(pixels, extractor).to(device))
                outputs.append((features.float().cpu(), None if logits is None else logits.float().cpu()))
    return [_join(outputs, labels, extractor) for extractor, outputs in zip(extractors, results, strict=True)]


def _join(outputs: list[tuple[Tensor, Tensor | None]], labels: Tensor, extractor: Extractor) -> Features:
    features = torch.cat([features for features, _ in outputs])
    if not features.isfinite().all():
        raise UserError(f"extractor {extractor.name!r} gives features that are not finite")
    logits = [logits for _, logits in outputs if logits is not None]
    return Features(features, torch.cat(logits) if logits else None, labels)


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
