"""Precision and recall: are samples like real images, and real images like samples."""

from dataclasses import dataclass

from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec

ROWS = 500  # of the matrix of distances at once


@dataclass(frozen=True)
class PrecisionRecall(Metric):
    """Shares of samples within the real images' manifold, and of real images within the samples'.

    A manifold is the union of balls up to each image's k-th neighbour: Kynkäänniemi et al. 2019, "Improved Precision
    and Recall Metric for Assessing Generative Models", equations 1 and 2. Equally many of both, at most `num_images`.
    """

    neighborhood: int = 3  # k
    num_images: int = 5000

    specs = (
        MetricSpec("precision", higher_is_better=True),
        MetricSpec("recall", higher_is_better=True),
    )

    @property
    def min_images(self) -> int:
        return self.neighborhood + 1

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `precision` and `recall`, 0 to 1, higher is better."""
        samples, real = inputs.matched(self.num_images)
        result = prc_features_to_metric(
            samples,
            real,
            prc_neighborhood=self.neighborhood,
            prc_batch_size=ROWS,
            save_cpu_ram=True,  # in parts, which is faster on a CPU too, with the same values
            verbose=False,
        )
        return {"precision": result[KEY_METRIC_PRECISION], "recall": result[KEY_METRIC_RECALL]}
