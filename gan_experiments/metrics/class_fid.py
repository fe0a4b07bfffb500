"""Fréchet distance class by class."""

import math
from dataclasses import dataclass

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.metrics.fid import frechet_distance
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class ClassFrechetDistance(Metric):
    """FID within each class of the reference, and its mean over them.

    The within-class distance of Benny et al. 2021, "Evaluation Metrics for Conditional Image Generation".
    Samples belong to the class that was asked for; those of a generator that takes no label, and then the real images
    too, to the class that the extractor sees in them. A class of fewer than two samples has no value, nor has the mean.
    """

    specs = (MetricSpec("class_fid"),)
    requires = ("classes",)

    def spec(self, name: str) -> MetricSpec:
        """Return the spec of the mean, or of the value of one class, which is a part of it."""
        return MetricSpec(name, part_of=None if name == "class_fid" else "class_fid")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `class_fid`, the mean, and `class_fid_<name>`, 0 to infinity, lower is better."""
        sample_classes, real_classes = (
            (part.labels if inputs.conditional else part.predicted) for part in (inputs.samples, inputs.reference)
        )
        values = {}
        for label in sorted(set(inputs.reference.labels.tolist())):
            name = inputs.class_names[label]
            samples = inputs.samples.take(sample_classes == label)
            real = inputs.reference.take(real_classes == label)
            enough = len(samples) > 1 and len(real) > 1
            values[f"class_fid_{name}"] = frechet_distance(samples, real) if enough else math.nan
        return {"class_fid": sum(values.values()) / len(values), **values}
