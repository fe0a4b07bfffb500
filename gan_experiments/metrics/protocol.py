"""All that a metric's value depends on."""

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.datasets.loader import fingerprint
from gan_experiments.metrics.base import Metric
from gan_experiments.metrics.extractors.base import Extractor, fitting
from gan_experiments.metrics.features import Features, Images, features_of
from gan_experiments.models.latents import Latents
from gan_experiments.sampling.sampler import BLOCK_SIZE, Sampler, labels_like, shuffle
from gan_experiments.types import ImageSet, MetricSpec, UserError

VERSION = 1
"""Of the protocol: raised when a value would come out otherwise from the same facts."""
LIBRARIES = ("torch-fidelity", "torch", "numpy")


def check_metrics(extractors: Mapping[str, Extractor], metrics: Mapping[str, Metric], num_samples: int) -> None:
    """Raise a UserError where two extractors have one name, or a metric needs more samples than are drawn."""
    names = [extractor.name for extractor in extractors.values()]
    if len(set(names)) < len(names):
        raise UserError(
            f"evaluation.extractors: two have one name ({', '.join(names)}), so their values would stand under "
            "one key. Give each its own."
        )
    for name, metric in metrics.items():
        if num_samples < metric.min_images:
            raise UserError(
                f"evaluation.metrics.{name} needs at least {metric.min_images} samples ({metric.parameters()}), but "
                f"evaluation.num_samples is {num_samples}. Raise it, lower the metric's own numbers, or leave the "
                "metric out of evaluation/metric=[...]."
            )


@dataclass(eq=False)
class RealImages:
    """The real images that samples are compared with."""

    dataset: str
    class_names: Sequence[str]  # none where unlabelled
    reference: ImageSet  # the training split, but for classes that the regime leaves out
    training: ImageSet  # what is trained on; the same object where there is no regime
    held_out: ImageSet | None  # the test split, of the same classes

    @property
    def sets(self) -> dict[str, ImageSet | None]:
        return {"reference": self.reference, "training": self.training, "held_out": self.held_out}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Which images each set holds, by name, and the classes of the reference."""
        described = {
            name: None if images is None else {"count": len(images), "fingerprint": fingerprint(images)}
            for name, images in self.sets.items()
        }
        there = set(self.reference.labels.tolist())
        return {**described, "classes": [name for label, name in enumerate(self.class_names) if label in there]}


@dataclass(eq=False)
class Protocol:
    """How generators are measured: pass it to `evaluate` with a generator and a seed.

    Args:
        extractors: by any name; keys use their own.
        metrics: by any name.
        real: the real images.
        num_samples: samples drawn.
        latents: the distribution that the generator's are drawn from.
        value_range: what the generator's black and white are.
        conditional: whether the generator makes the class it is asked for.
        weights: which weights are measured, in a word: `EMA` or `raw`.
        cache_dir: where features of real images are kept.
        batch_size: samples generated at once; no value depends on it.
        augmentations: what training does to images, by name: functions of images (in [0, 1]) and a random stream.
        no_class_head: why the discriminator's class logits mean nothing; an empty string where they do.

    Raises:
        UserError: a metric needs more samples than are drawn, or two extractors have one name.
    """

    extractors: Mapping[str, Extractor]
    metrics: Mapping[str, Metric]
    real: RealImages
    num_samples: int
    latents: Latents
    value_range: Sequence[float]
    conditional: bool
    weights: str
    cache_dir: Path
    batch_size: int = 100
    augmentations: Mapping[str, Any] = field(default_factory=dict)
    no_class_head: str = ""
    _features: dict[str, dict[str, Features]] = field(default_factory=dict)  # of the real images
    _facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the extractors, hashed once

    def __post_init__(self) -> None:
        check_metrics(self.extractors, self.metrics, self.num_samples)

    def spec(self, name: str) -> MetricSpec:
        """Return the spec of a value."""
        return self._metric(name).spec(name)

    def key(self, name: str) -> str:
        """Return the full key of a value, with the first extractor."""
        return f"{name}/{self.measured_with(self._metric(name), next(iter(self.extractors.values()), None))}"

    def facts_of(self, name: str) -> dict[str, Any]:
        """Return the protocol of a value, with the first extractor."""
        return self.facts(next(iter(self.extractors.values()), None), self._metric(name), name)

    def measured_with(self, metric: Metric, extractor: Extractor | None) -> str:
        """Return the second half of the keys of a metric's values."""
        if "extractor" in metric.depends_on:
            assert extractor is not None
            return extractor.name
        return "discriminator" if "discriminator" in metric.depends_on else "pixels"

    def in_order(self) -> list[tuple[str, Metric, Extractor | None]]:
        """Return what is measured: with each extractor the metrics that need one, the others once."""
        first = next(iter(self.extractors.values()), None)
        measured: list[tuple[str, Metric, Extractor | None]] = []
        for extractor in self.extractors.values() or [None]:
            for name, metric in self.metrics.items():
                needs_one = "extractor" in metric.depends_on
                if "discriminator" not in metric.depends_on and (needs_one or extractor is first):
                    measured.append((name, metric, extractor if needs_one else None))
        return [*measured, *((name, of, None) for name, of in self.metrics.items() if "discriminator" in of.depends_on)]

    def _metric(self, name: str) -> Metric:
        return next(metric for metric in self.metrics.values() if any(spec.name == name for spec in metric.specs))

    def facts(self, extractor: Extractor | None, metric: Metric, name: str) -> dict[str, Any]:
        """Return all that the value `name` of this metric depends on, besides the networks and the seed."""
        depends_on = metric.spec(name).depends_on or metric.depends_on
        measured_with: dict[str, Any] = {"extractor": {"name": self.measured_with(metric, extractor)}}
        if "extractor" in depends_on:
            assert extractor is not None
            if extractor.name not in self._facts:
                self._facts[extractor.name] = extractor.facts()
            pixels = self.real.reference.read(torch.tensor([0]))
            form = fitting(pixels.shape[1], pixels.shape[-1], extractor)
            measured_with = {"extractor": self._facts[extractor.name], **form}
        if "augmentations" in depends_on:
            measured_with["augmentations"] = {kind: repr(part) for kind, part in self.augmentations.items()}
        return {
            "version": VERSION,
            "metric": type(metric).__name__,
            "parameters": metric.parameters(),
            **measured_with,
            "dataset": self.real.dataset,
            "reference_split": "train",
            "classes": self.real.facts["classes"],
            **{part: self.real.facts[part] for part in ("reference", "training", "held_out") if part in depends_on},
            **({"num_samples": self.num_samples} if "samples" in depends_on else {}),
            **(self._facts_of_generator() if {"samples", "generator"} & set(depends_on) else {}),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        }

    def _facts_of_generator(self) -> dict[str, Any]:
        return {
            "latents": f"{self.latents.describe()}, drawn by {BLOCK_SIZE}",
            "labels": "drawn with the probabilities of the reference" if self.real.class_names else "none",
            "sample_classes": "asked for" if self.conditional else "seen by the extractor",
            "weights": self.weights,
        }

    def features(self, extractor: Extractor) -> dict[str, Features]:
        """Return the features of the sets of real images, by name; computed once."""
        if extractor.name not in self._features:
            sets = {name: images for name, images in self.real.sets.items() if images is not None}
            computed = {
                images: features_of(images, extractor, self.cache_dir) for images in dict.fromkeys(sets.values())
            }
            features = {name: computed[images] for name, images in sets.items()}
            if "held_out" in features:
                features["held_out"] = features["held_out"].take(shuffle(len(features["held_out"])))
            self._features[extractor.name] = features
        return self._features[extractor.name]

    def sampler(self, generator: nn.Module) -> Sampler:
        """Return what draws the samples of a generator."""
        return Sampler(generator, self.latents, value_range=self.value_range, batch_size=self.batch_size)

    def samples(self, sampler: Sampler, seed: int) -> Images:
        """Return the samples that are measured; they are drawn when they are read."""
        labels = self.draw_labels(self.num_samples, seed)

        def blocks(numbers: Sequence[int]) -> Iterator[tuple[Tensor, float]]:
            return ((block.pixels, block.share_clipped) for block in sampler.blocks(labels, seed, numbers))

        return Images(blocks, labels, list(self.extractors.values()))

    def draw_labels(self, count: int, seed: int) -> Tensor:
        """Draw the labels that samples are asked for, with the probabilities of the reference."""
        counts = torch.bincount(self.real.reference.labels, minlength=len(self.real.class_names)).tolist()
        return labels_like(counts if self.real.class_names else [], count, seed)
