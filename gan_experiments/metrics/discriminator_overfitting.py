"""Does the discriminator know its training images by heart."""

from dataclasses import dataclass
from typing import ClassVar

from gan_experiments.metrics.base import NO_GENERATOR, NO_HELD_OUT, DiscriminatorMetric, Judge
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class DiscriminatorOverfitting(DiscriminatorMetric):
    """r_v = (E D(train) − E D(held out)) / (E D(train) − E D(generated)), of the discriminator's scores.

    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", equation 1.
    """

    num_images: int = 2000

    specs: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("discriminator_overfitting"),)
    sets: ClassVar[tuple[str, ...]] = ("training", "held_out")

    def applies(self, judge: Judge) -> str:
        if not judge.has_generator:
            return NO_GENERATOR
        return "" if judge.has_held_out else NO_HELD_OUT

    def compute(self, judge: Judge) -> dict[str, float]:
        """Return `discriminator_overfitting`: 0, none; 1, held-out images are taken for generated ones."""
        train, held_out, made = (
            float(judge.scores(name, self.num_images).double().mean()) for name in ("training", "held_out", "samples")
        )
        return {"discriminator_overfitting": (train - held_out) / (train - made) if train != made else 0.0}
