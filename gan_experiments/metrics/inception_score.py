"""Inception score: sharp predictions over many classes."""

from dataclasses import dataclass

from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class InceptionScore(Metric):
    """exp E KL(p(y|x) ‖ p(y)) over the extractor's classes.

    Salimans et al. 2016, "Improved Techniques for Training GANs", section 4; the mean over `splits` parts.
    It never looks at real images.
    """

    splits: int = 10

    specs = (MetricSpec("inception_score", higher_is_better=True),)

    @property
    def min_images(self) -> int:
        return self.splits

    def not_applicable(self, inputs: MetricInputs) -> str:
        reason = super().not_applicable(inputs)
        return reason or ("the extractor has no classes" if inputs.samples.logits is None else "")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `inception_score`, 1 to the number of classes, higher is better."""
        assert inputs.samples.logits is not None
        # A class that no sample is in would have the logarithm of zero.
        logits = inputs.samples.logits.double().log_softmax(1).clamp(min=-100)
        result = isc_features_to_metric(logits, self.splits, shuffle=True, rng_seed=2020)
        return {"inception_score": result[KEY_METRIC_ISC_MEAN]}
