"""The same metrics of the same images by `evaluate()` and by torch-fidelity's `calculate_metrics`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_fidelity import GenerativeModelBase, calculate_metrics, register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from gan_experiments.callbacks.evaluation import SEED
from gan_experiments.datasets.loader import fingerprint, read_all
from gan_experiments.metrics.evaluate import evaluate
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.features import BATCH_SIZE
from gan_experiments.metrics.fid import FrechetDistance
from gan_experiments.metrics.inception_score import InceptionScore
from gan_experiments.metrics.kid import KernelDistance
from gan_experiments.metrics.precision_recall import PrecisionRecall
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.sampling.sampler import shuffle
from gan_experiments.types import ImageSet

EXTRACTOR = "the_same"
THEIR_NAMES = {
    "fid": "frechet_inception_distance",
    "inception_score": "inception_score_mean",
    "kid": "kernel_inception_distance_mean",
    "precision": "precision",
    "recall": "recall",
}
NOISE = 32  # standard deviation, of 255


def stand_ins(held_out: ImageSet, count: int) -> Tensor:
    """Make samples (uint8, N×C×H×W) of held-out images by noise, so that no value is at an end of its scale."""
    images = held_out.read(torch.arange(count)).float()
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + NOISE * noise).clamp(0, 255).round().to(torch.uint8)


class Replay(nn.Module):
    """A generator that returns stored images (uint8, N×C×H×W) in [0, 1], one after the other, and then again."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = nn.Parameter(images, requires_grad=False)  # `evaluate` asks a parameter for the device
        self.position = 0

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Return as many images as there are latents."""
        images = self.images[self.position : self.position + len(latents)]
        self.position = (self.position + len(latents)) % len(self.images)
        return images.float() / 255


class TheirReplay(GenerativeModelBase):  # type: ignore[misc] # torch-fidelity has no types
    """The same for torch-fidelity, which takes uint8 as it is; a `Dataset` would cost it a loader with workers."""

    z_size, z_type, num_classes = 1, "normal", 0

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = nn.Parameter(images, requires_grad=False)
        self.position = 0

    def forward(self, noise: Tensor) -> Tensor:
        """Return as many images as there are rows of noise."""
        images = self.images[self.position : self.position + len(noise)]
        self.position = (self.position + len(noise)) % len(self.images)
        return images


class SameExtractor(FeatureExtractorBase):  # type: ignore[misc] # torch-fidelity has no types
    """Our extractor as torch-fidelity takes one."""

    network: Extractor  # of the class, as torch-fidelity makes the object by itself

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        """Return the names of the outputs."""
        return ("features", "logits")

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        """Return the output that a metric takes."""
        return "logits" if metric == "isc" else "features"

    @staticmethod
    def can_be_compiled() -> bool:
        """Return False, as ours is not compiled either."""
        return False

    @staticmethod
    def get_dummy_input_for_compile() -> None:
        """Return nothing: it is not compiled."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return what was asked for, in that order."""
        features, logits = self.network(pixels)
        return tuple({"features": features, "logits": logits}[name] for name in self.features_list)


class SideBySide:
    """Measures the same on both sides; the first call of each fills its cache.

    Args:
        protocol: has the real images, the extractor, and the number of samples.
        cache_root: a directory for torch-fidelity's cache.
        device: where both extractors run.
    """

    def __init__(self, protocol: Protocol, cache_root: Path, device: str) -> None:
        count, real = protocol.num_samples, protocol.real
        assert real.held_out is not None
        samples = stand_ins(real.held_out, count)
        kid = KernelDistance()
        metrics = {
            "fid": FrechetDistance(),
            "inception_score": InceptionScore(),
            "kid": kid,
            "precision_recall": PrecisionRecall(num_images=count),
        }
        # torch-fidelity is given no held-out images, so ours has none to look up either.
        only = replace(real, held_out=None)
        self.protocol = replace(protocol, metrics=metrics, real=only, value_range=(0, 1), _features={}, _facts={})
        self.replay = Replay(samples).to(device)

        SameExtractor.network = next(iter(protocol.extractors.values()))
        register_feature_extractor(EXTRACTOR, SameExtractor)
        matched = shuffle(len(real.reference))[:count]  # as `Case.matched` chooses
        self.all = TheirReplay(read_all(real.reference))
        self.matched = TheirReplay(real.reference.read(matched))
        self.reference_name = fingerprint(real.reference)  # torch-fidelity's cache goes by names alone
        self.calls = 0
        self.settings: dict[str, Any] = {
            "input1": TheirReplay(samples),
            "input1_model_num_samples": count,
            "feature_extractor": EXTRACTOR,
            "batch_size": BATCH_SIZE,
            "kid_subsets": kid.subsets,
            "kid_subset_size": kid.subset_size,
            "cache_root": str(cache_root),
            "cuda": device == "cuda",
            "verbose": False,
        }

    def ours(self) -> dict[str, float]:
        """Measure with the features of the real images read from disk."""
        return self._evaluate(replace(self.protocol, _features={}, _facts={}))

    def ours_in_memory(self) -> dict[str, float]:
        """Measure with the features of the real images in memory."""
        return self._evaluate(self.protocol)

    def _evaluate(self, protocol: Protocol) -> dict[str, float]:
        values = evaluate(self.replay, protocol, SEED).values
        return {name: values[protocol.key(name)].value or 0.0 for name in THEIR_NAMES}

    def theirs(self) -> dict[str, float]:
        """Measure with the features of the real images read from disk."""
        self.calls += 1
        # A new name for each time: the second call alone finds features of the samples, those of the first.
        settings = self.settings | {"input1_cache_name": f"samples-{self.calls}"}
        values: dict[str, float] = {}
        for images, name, metrics in ((self.all, "all", ("isc", "fid", "kid")), (self.matched, "matched", ("prc",))):
            values |= calculate_metrics(
                **settings,
                **dict.fromkeys(metrics, True),
                input2=images,
                input2_model_num_samples=len(images.images),
                input2_cache_name=f"{self.reference_name}-{name}",
            )
        return {name: float(values[theirs]) for name, theirs in THEIR_NAMES.items()}


def differences(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return the values of both sides, and how they differ as a share of theirs."""
    compared = {}
    for name, value in ours.items():
        share = abs(value - theirs[name]) / max(abs(theirs[name]), 1e-9)  # precision can be 0
        compared[name] = {"ours": value, "theirs": theirs[name], "difference": share}
    return compared
