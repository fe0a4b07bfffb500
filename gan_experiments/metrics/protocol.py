"""All that a metric's value depends on."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.datasets.loader import fingerprint
from gan_experiments.metrics.base import DiscriminatorMetric, Measure, Metric
from gan_experiments.metrics.extractors.base import Extractor, fitting
from gan_experiments.metrics.features import Seen, look_at_set
from gan_experiments.models.latents import Latents
from gan_experiments.sampling.sampler import BLOCK_SIZE, Sampler, labels_like, shuffle
from gan_experiments.types import ImageSet, UserError

VERSION = 1
"""Of the protocol: raised when a value would come out otherwise from the same facts."""
LIBRARIES = ("torch-fidelity", "torch", "numpy")


def check_measures(extractors: Mapping[str, Extractor], metrics: Mapping[str, Measure], num_samples: int) -> None:
    """Make sure that each value has a key of its own and samples enough.

    Raises:
        UserError: two extractors have one name, or a metric needs more samples than are drawn.
    """
    names = [extractor.name for extractor in extractors.values()]
    if len(set(names)) < len(names):
        raise UserError(
            f"evaluation.extractors: two have one name ({', '.join(names)}), so their values would stand under "
            "one key. Give each its own."
        )
    for name, metric in metrics.items():
        if num_samples < metric.fewest:
            raise UserError(
                f"evaluation.metrics.{name} needs at least {metric.fewest} samples ({metric.facts()}), but "
                f"evaluation.num_samples is {num_samples}. Raise it, lower the metric's own numbers, or leave the "
                "metric out of evaluation/metric=[...]."
            )


@dataclass(eq=False)
class RealImages:
    """The real images that samples are judged by."""

    dataset: str
    class_names: Sequence[str]  # none where unlabelled
    reference: ImageSet  # the training split, but for classes that the regime leaves out
    training: ImageSet  # what is trained on; the same object where there is no regime
    held_out: ImageSet | None  # the test split, of the same classes

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Which images each set holds, by name, and the classes of the reference."""
        sets = {"reference": self.reference, "training": self.training, "held_out": self.held_out}
        described = {
            name: None if images is None else {"count": len(images), "fingerprint": fingerprint(images)}
            for name, images in sets.items()
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
        latents: what the generator takes.
        value_range: what the generator's black and white are.
        conditional: whether the generator makes the class it is asked for.
        weights: which weights are measured, in a word: `EMA` or `raw`.
        cache_dir: where features of real images are kept.
        batch_size: samples generated at once; no value depends on it.
        augmentations: what training does to images, by name: functions of images (in [0, 1]) and a random stream.
        no_class_head: why the discriminator's class head is not to be asked; an empty string where it may be.
        fit: trains a classifier on pixels and labels and gives its accuracy on held-out images, for metrics that ask.

    Raises:
        UserError: a metric needs more samples than are drawn, or two extractors have one name.
    """

    extractors: Mapping[str, Extractor]
    metrics: Mapping[str, Measure]
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
    fit: Any = None
    _seen: dict[str, dict[str, Seen]] = field(default_factory=dict)
    _facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the extractors, hashed once

    def __post_init__(self) -> None:
        check_measures(self.extractors, self.metrics, self.num_samples)

    def key(self, name: str) -> str:
        """Return the full key of a value, with the first extractor."""
        metric = self._metric(name)
        return f"{name}/{metric.measure or next(iter(self.extractors.values())).name}"

    def facts_of(self, name: str) -> dict[str, Any]:
        """Return the protocol of a value, with the first extractor."""
        return self.facts(next(iter(self.extractors.values()), None), self._metric(name), name)

    def higher_is_better(self, name: str) -> bool:
        """Return which way a value is good."""
        return self._metric(name).spec(name).higher_is_better

    @property
    def sample_metrics(self) -> dict[str, Metric]:
        return {name: metric for name, metric in self.metrics.items() if isinstance(metric, Metric)}

    @property
    def discriminator_metrics(self) -> dict[str, DiscriminatorMetric]:
        return {name: metric for name, metric in self.metrics.items() if isinstance(metric, DiscriminatorMetric)}

    def _metric(self, name: str) -> Measure:
        return next(metric for metric in self.metrics.values() if any(spec.name == name for spec in metric.specs))

    def facts(self, extractor: Extractor | None, metric: Measure, name: str) -> dict[str, Any]:
        """Return all that the value `name` of this metric depends on, besides the networks and the seed."""
        own = {"metric": type(metric).__name__, "parameters": metric.facts()}
        if metric.measure is not None:
            measure: dict[str, Any] = {"extractor": {"name": metric.measure}}
        else:
            assert extractor is not None
            measure = self._facts_of_extractor(extractor)
        sets, of_samples = metric.sets, True
        if isinstance(metric, DiscriminatorMetric):
            of_samples = metric.of_samples
            if name in metric.of_held_out:
                sets = ("held_out",)
            elif metric.augmented:
                measure["augmentations"] = {kind: repr(part) for kind, part in self.augmentations.items()}
        return {
            "version": VERSION,
            **own,
            **measure,
            "dataset": self.real.dataset,
            "reference_split": "train",
            "classes": self.real.facts["classes"],
            **{part: self.real.facts[part] for part in sets},
            **(self._facts_of_samples() if of_samples else {}),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        }

    def _facts_of_extractor(self, extractor: Extractor) -> dict[str, Any]:
        if extractor.name not in self._facts:
            self._facts[extractor.name] = extractor.facts()
        pixels = self.real.reference.read(torch.tensor([0]))
        return {"extractor": self._facts[extractor.name], **fitting(pixels.shape[1], pixels.shape[-1], extractor)}

    def _facts_of_samples(self) -> dict[str, Any]:
        return {
            "num_samples": self.num_samples,
            "latents": f"{self.latents.describe()}, drawn by {BLOCK_SIZE}",
            "labels": "drawn with the probabilities of the reference" if self.real.class_names else "none",
            "sample_classes": "asked for" if self.conditional else "seen by the extractor",
            "weights": self.weights,
        }

    def seen(self, extractor: Extractor) -> dict[str, Seen]:
        """Return the real images as an extractor sees them; computed once."""
        if extractor.name not in self._seen:
            sets = {"reference": self.real.reference, "training": self.real.training, "held_out": self.real.held_out}
            found: dict[int, Seen] = {}
            for images in sets.values():
                if images is not None and id(images) not in found:
                    found[id(images)] = look_at_set(images, extractor, self.cache_dir)
            seen = {name: found[id(images)] for name, images in sets.items() if images is not None}
            if "held_out" in seen:
                seen["held_out"] = seen["held_out"].take(shuffle(len(seen["held_out"])))
            self._seen[extractor.name] = seen
        return self._seen[extractor.name]

    def sampler(self, generator: nn.Module) -> Sampler:
        """Return what draws the samples of a generator."""
        return Sampler(generator, self.latents, value_range=self.value_range, batch_size=self.batch_size)

    def sample_labels(self, seed: int) -> Tensor:
        """Return the labels that samples are asked for."""
        counts = torch.bincount(self.real.reference.labels, minlength=len(self.real.class_names)).tolist()
        return labels_like(counts if self.real.class_names else [], self.num_samples, seed)
