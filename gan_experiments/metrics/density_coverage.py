"""Density and coverage: precision and recall that an outlier cannot spoil."""

from dataclasses import dataclass

import torch

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec

ROWS = 1000  # of the matrix of distances at once


@dataclass(frozen=True)
class DensityCoverage(Metric):
    """How many real neighbourhoods a sample lies in, and the share of those that hold a sample.

    Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", equations 4 and 5; a
    neighbourhood is the ball around a real image up to its k-th nearest real one. Equally many of both, at most
    `num_images`.
    """

    neighborhood: int = 5  # k
    num_images: int = 5000

    specs = (
        MetricSpec("density", higher_is_better=True),
        MetricSpec("coverage", higher_is_better=True),
    )

    @property
    def min_images(self) -> int:
        return self.neighborhood + 1

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `density` (0 up, about 1 for the data) and `coverage` (0 to 1), higher is better."""
        samples, real = inputs.matched(self.num_images)
        inside = torch.zeros(len(samples))
        covered = []
        for rows in torch.split(real, ROWS):
            # A distance of an image to itself comes first among its own, so the k-th neighbour has the (k+1)-th value.
            radius = torch.cdist(rows, real).topk(self.neighborhood + 1, largest=False).values[:, -1]
            within = torch.cdist(rows, samples) < radius[:, None]
            inside += within.sum(0)
            covered.append(within.any(1))
        return {
            "density": float(inside.double().mean() / self.neighborhood),
            "coverage": float(torch.cat(covered).double().mean()),
        }
