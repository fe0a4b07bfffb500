"""Does the discriminator overfit its training images."""

from dataclasses import dataclass

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class DiscriminatorOverfitting(Metric):
    """r_v = (E D(train) − E D(held out)) / (E D(train) − E D(generated)), of the discriminator's scores.

    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", equation 1.
    """

    num_images: int = 2000

    specs = (MetricSpec("discriminator_overfitting"),)
    depends_on = ("samples", "training", "held_out", "discriminator")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `discriminator_overfitting`: 0, none; 1, held-out images are taken for generated ones."""
        training, held_out, samples = (
            float(inputs.scores(name, self.num_images).double().mean()) for name in ("training", "held_out", "samples")
        )
        overfitting = (training - held_out) / (training - samples) if training != samples else 0.0
        return {"discriminator_overfitting": overfitting}
