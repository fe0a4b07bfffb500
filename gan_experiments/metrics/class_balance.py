"""Which classes are made, and how evenly."""

from dataclasses import dataclass

import torch

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class ClassBalance(Metric):
    """The classes that the extractor sees in samples, against those of the data.

    As Lin et al. 2018 ("PacGAN", section 4) do for stacked MNIST: the number of classes made, and the divergence of
    their distribution. A class counts as missing below `present` of its share in the data. One that the reference has
    no image of is not missed, and samples in which it is seen are left out of `class_kl`, which would be infinite.
    """

    present: float = 0.1

    specs = (
        MetricSpec("class_coverage", higher_is_better=True),
        MetricSpec("missing_classes"),
        MetricSpec("class_entropy", higher_is_better=True),
        MetricSpec("class_kl"),
    )
    requires = ("classes",)

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `class_coverage` (0 to 1), `missing_classes` (a count), `class_entropy` (nats) and `class_kl` (nats).

        `class_kl` is KL(classes of samples ‖ classes of the data), 0 for equal shares; nan where no sample is seen as
        a class of the reference.
        """
        num_classes = len(inputs.class_names)
        generated = torch.bincount(inputs.samples.predicted, minlength=num_classes).double()
        real = torch.bincount(inputs.reference.labels, minlength=num_classes).double()
        kept = generated * (real > 0)
        generated, real, kept = generated / generated.sum(), real / real.sum(), kept / kept.sum()
        missing = int((generated < self.present * real).sum())
        return {
            "class_coverage": 1 - missing / int((real > 0).sum()),
            "missing_classes": float(missing),
            "class_entropy": float(-torch.special.xlogy(generated, generated).sum()),
            "class_kl": float((torch.special.xlogy(kept, kept) - torch.special.xlogy(kept, real)).sum()),
        }
