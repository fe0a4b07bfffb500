"""How well the discriminator's class head classifies real images."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import PositiveInt
from torch import Tensor

from gan_experiments.metrics.base import NO_HELD_OUT, DiscriminatorMetric, Judge
from gan_experiments.types import MetricSpec

NO_CLASS_HEAD = "the discriminator has no class head"
UNTRAINED = "no loss term trains the discriminator's class head, so what it says is chance"


@dataclass(frozen=True)
class ClassHeadAccuracy(DiscriminatorMetric):
    """The share of real images whose label the discriminator's class head gives: held-out ones, and training ones.

    Training images are augmented as in training. The first `num_images` of each set in a fixed random order are asked.
    """

    num_images: PositiveInt = 10000

    specs: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("class_head_accuracy", higher_is_better=True),
        MetricSpec("class_head_training_accuracy", higher_is_better=True),
        MetricSpec("class_head_gap"),
    )
    sets: ClassVar[tuple[str, ...]] = ("training", "held_out")
    augmented: ClassVar[bool] = True
    of_held_out: ClassVar[tuple[str, ...]] = ("class_head_accuracy",)
    of_samples: ClassVar[bool] = False

    def applies(self, judge: Judge) -> str:
        if not judge.has_held_out:
            return NO_HELD_OUT
        return judge.no_class_head or ("" if judge.class_logits("held_out", 2) else NO_CLASS_HEAD)

    def compute(self, judge: Judge) -> dict[str, float]:
        """Return the accuracy on held-out and on training images, and the gap by which the second is higher."""
        held_out, training = (
            _accuracy(judge.class_logits(name, self.num_images, augmented=name == "training"))
            for name in ("held_out", "training")
        )
        return {
            "class_head_accuracy": held_out,
            "class_head_training_accuracy": training,
            "class_head_gap": training - held_out,
        }


def _accuracy(judged: tuple[Tensor, Tensor] | None) -> float:
    assert judged is not None
    logits, labels = judged
    return float((logits.argmax(1) == labels).double().mean())
