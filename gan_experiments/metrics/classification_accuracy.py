"""What a classifier learns from samples alone."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.engine.supervised import fit_classifier
from gan_experiments.metrics.base import NO_CLASSES, NO_HELD_OUT, NO_LABELS, Case, Metric
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.rng import seeded
from gan_experiments.types import ImageSet, MetricSpec


@dataclass(frozen=True)
class ClassificationAccuracyScore(Metric):
    """Accuracy on real held-out images of a classifier that was trained on samples and the labels asked for.

    Ravuri & Vinyals 2019, "Classification Accuracy Score for Conditional Generative Models", section 3. It trains a
    network at each evaluation, so it is no part of the defaults.
    """

    specs: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("classification_accuracy", higher_is_better=True),)
    has_anchors: ClassVar[bool] = False
    sets: ClassVar[tuple[str, ...]] = ("held_out",)

    def applies(self, case: Case) -> str:
        if not case.knows_classes:
            return NO_CLASSES
        if not case.conditional:
            return NO_LABELS
        return NO_HELD_OUT if case.held_out is None else ""

    def compute(self, case: Case) -> dict[str, float]:
        """Return `classification_accuracy`, 0 to 1, higher is better."""
        assert case.fit is not None
        assert case.pixels is not None
        return {"classification_accuracy": case.fit(case.pixels(), case.samples.labels, case.seed)}


def train_on_samples(held_out: ImageSet, num_classes: int, pixels: Tensor, labels: Tensor, seed: int) -> float:
    """Train a classifier on samples (uint8, N×C×H×W) and their labels; return its accuracy on held-out images."""
    with seeded("classification accuracy score", seed):
        network = SmallCNN(pixels.shape[-1], pixels.shape[1], num_classes)
    accuracy = fit_classifier(network, TensorImageSet(pixels, labels), held_out, seed)
    assert accuracy is not None
    return accuracy
