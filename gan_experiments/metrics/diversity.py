"""How much samples differ from each other."""

from dataclasses import dataclass

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class FeatureDiversity(Metric):
    """Total variance of the samples' features over that of the reference's: Tr Σ₁ / Tr Σ₂.

    Ours, for the mode-collapse alarm: one number that needs no labels and falls to 0 when all samples are one.
    """

    specs = (MetricSpec("feature_diversity", higher_is_better=True),)

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `feature_diversity`: 0 for one image over and over, 1 as varied as the data."""
        generated, real = (float(part.statistics["sigma"].trace()) for part in (inputs.samples, inputs.reference))
        return {"feature_diversity": generated / real}
