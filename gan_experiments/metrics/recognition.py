"""Are samples recognised as what a generator was trained on, where that is a part of the classes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec

ALL_CLASSES = "the reference has all classes of the data"


@dataclass(frozen=True)
class Recognition(Metric):
    """Share of samples in which the extractor, which may choose among all classes, sees one that the regime keeps.

    Ours, for generators of one class or a few (`regime=classes`): whether a GAN of sneakers makes sneakers. Real images
    reach the extractor's own accuracy on these classes, which is beside the value as the floor.
    """

    specs = (MetricSpec("recognition", higher_is_better=True),)
    requires = ("classes",)

    def not_applicable(self, inputs: MetricInputs) -> str:
        reason = super().not_applicable(inputs)
        return reason or (ALL_CLASSES if len(_kept(inputs)) == len(inputs.class_names) else "")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `recognition`, 0 to 1, higher is better."""
        hits = torch.isin(inputs.samples.predicted, _kept(inputs))
        return {"recognition": float(hits.double().mean())}


def _kept(inputs: MetricInputs) -> Tensor:
    kept: Tensor = torch.unique(inputs.reference.labels)
    return kept
