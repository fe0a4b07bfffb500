"""Does the generator make the class that it is asked for."""

from dataclasses import dataclass

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class LabelAccuracy(Metric):
    """Share of samples in which the extractor sees the class asked for (Odena et al. 2017, section 4.3).

    Real images reach the extractor's own accuracy, which is beside the value as the floor.
    """

    specs = (MetricSpec("label_accuracy", higher_is_better=True),)
    requires = ("classes", "labels")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `label_accuracy`, 0 to 1, higher is better."""
        hits = inputs.samples.predicted == inputs.samples.labels
        return {"label_accuracy": float(hits.double().mean())}
