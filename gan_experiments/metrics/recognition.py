"""Are samples recognised as what a generator was trained on, where that is a part of the classes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.metrics.base import NO_CLASSES, Case, Metric
from gan_experiments.types import MetricSpec

ALL_CLASSES = "the reference has all classes of the data"


@dataclass(frozen=True)
class Recognition(Metric):
    """Share of samples in which the extractor, which may choose among all classes, sees one that the regime keeps.

    Ours, for generators of one class or a few (`regime=classes`): whether a GAN of sneakers makes sneakers. Real images
    reach the extractor's own accuracy on these classes, which is beside the value as the floor.
    """

    specs: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("recognition", higher_is_better=True),)

    def applies(self, case: Case) -> str:
        if not case.knows_classes:
            return NO_CLASSES
        return ALL_CLASSES if len(_kept(case)) == len(case.class_names) else ""

    def compute(self, case: Case) -> dict[str, float]:
        """Return `recognition`, 0 to 1, higher is better."""
        hits = torch.isin(case.samples.predicted, _kept(case))
        return {"recognition": float(hits.double().mean())}


def _kept(case: Case) -> Tensor:
    kept: Tensor = torch.unique(case.reference.labels)
    return kept
