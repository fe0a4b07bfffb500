"""Fréchet distance between features of generated and of real images."""

from dataclasses import dataclass

import numpy as np
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.metrics.features import Features
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class FrechetDistance(Metric):
    """FID = |μ₁ − μ₂|² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), of all samples, of half and of a quarter, and for infinitely many.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", equation 6. The bias of N samples is linear in
    1/N to first order: Chong & Forsyth 2020, "Effectively Unbiased FID and Inception Score", section 3; the line
    through the values at N, N/2 and N/4 gives the value at 1/N = 0.
    """

    specs = (
        MetricSpec("fid"),
        MetricSpec("fid_half", part_of="fid"),
        MetricSpec("fid_quarter", part_of="fid"),
        MetricSpec("fid_infinity", part_of="fid"),
    )

    @property
    def min_images(self) -> int:
        return 8

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `fid`, `fid_half`, `fid_quarter` and `fid_infinity`, 0 to infinity, lower is better."""
        counts = [len(inputs.samples) // part for part in (1, 2, 4)]
        parts = [inputs.samples, *(inputs.samples.take(slice(count)) for count in counts[1:])]
        values = [frechet_distance(part, inputs.reference) for part in parts]
        _, at_infinity = np.polyfit([1 / count for count in counts], values, 1)
        names = ("fid", "fid_half", "fid_quarter", "fid_infinity")
        return dict(zip(names, [*values, float(at_infinity)], strict=True))


def frechet_distance(samples: Features, reference: Features) -> float:
    """Return the Fréchet distance of two sets' features."""
    value: float = fid_statistics_to_metric(samples.statistics, reference.statistics, verbose=False)[KEY_METRIC_FID]
    return value
