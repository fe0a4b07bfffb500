"""Kernel distance between features of generated and of real images."""

from dataclasses import dataclass

from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class KernelDistance(Metric):
    """KID: the unbiased squared MMD with the kernel (x·y / D + 1)³, the mean over random subsets of both sets.

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4. Its expectation depends neither on the number of samples
    nor on the size of the subsets.
    """

    subset_size: int = 250
    subsets: int = 100

    specs = (MetricSpec("kid"),)

    @property
    def min_images(self) -> int:
        return self.subset_size

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `kid`, about 0 for equal distributions and then also below, lower is better."""
        result = kid_features_to_metric(
            inputs.samples.features,
            inputs.reference.features,
            kid_subsets=self.subsets,
            kid_subset_size=self.subset_size,
            rng_seed=2020,
            verbose=False,
        )
        return {"kid": result[KEY_METRIC_KID_MEAN]}
