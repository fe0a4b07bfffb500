"""Does the discriminator know its training images by heart."""

from dataclasses import dataclass
from typing import ClassVar

from gan_experiments.evaluation.metrics.base import NO_HELD_OUT, Case, Metric


@dataclass(frozen=True)
class DiscriminatorOverfitting(Metric):
    """r_v = (E D(train) − E D(held out)) / (E D(train) − E D(generated)), of the discriminator's scores.

    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", equation 1.
    """

    num_images: int = 2000

    names: ClassVar[tuple[str, ...]] = ("discriminator_overfitting",)
    has_anchors: ClassVar[bool] = False
    measure: ClassVar[str | None] = "discriminator"
    sets: ClassVar[tuple[str, ...]] = ("training", "held_out")

    def applies(self, case: Case) -> str:
        """Ask for the discriminator, and real images that it was not trained on."""
        if case.score is None:
            return "no discriminator was given"
        return NO_HELD_OUT if case.held_out is None else ""

    def compute(self, case: Case) -> dict[str, float]:
        """Give `discriminator_overfitting`: 0, none; 1, held-out images are taken for generated ones."""
        assert case.score is not None
        train, held_out, made = (
            float(case.score(name, self.num_images).double().mean()) for name in ("training", "held_out", "samples")
        )
        return {"discriminator_overfitting": (train - held_out) / (train - made) if train != made else 0.0}
