"""How well the discriminator's class head classifies real images."""

from dataclasses import dataclass

from pydantic import PositiveInt
from torch import Tensor

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec

NO_CLASS_HEAD = "the discriminator has no class head"
UNTRAINED = "no loss term trains the discriminator's class head, so its class logits mean nothing"


@dataclass(frozen=True)
class ClassHeadAccuracy(Metric):
    """The share of real images whose label the discriminator's class head gives: held-out ones, and training ones.

    Training images are augmented as in training. The first `num_images` of each set in a fixed random order are asked.
    """

    num_images: PositiveInt = 10000

    specs = (
        MetricSpec("class_head_accuracy", higher_is_better=True, depends_on=("held_out", "discriminator")),
        MetricSpec("class_head_training_accuracy", higher_is_better=True),
        MetricSpec("class_head_gap"),
    )
    depends_on = ("training", "held_out", "discriminator", "augmentations")

    def not_applicable(self, inputs: MetricInputs) -> str:
        reason = super().not_applicable(inputs) or inputs.protocol.no_class_head
        return reason or ("" if inputs.class_logits("held_out", 2) else NO_CLASS_HEAD)

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return the accuracy on held-out and on training images, and the gap by which the second is higher."""
        held_out, training = (
            _accuracy(inputs.class_logits(name, self.num_images, augmented=name == "training"))
            for name in ("held_out", "training")
        )
        return {
            "class_head_accuracy": held_out,
            "class_head_training_accuracy": training,
            "class_head_gap": training - held_out,
        }


def _accuracy(output: tuple[Tensor, Tensor] | None) -> float:
    assert output is not None
    logits, labels = output
    return float((logits.argmax(1) == labels).double().mean())
