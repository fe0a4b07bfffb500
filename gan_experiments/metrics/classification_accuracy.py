"""What a classifier learns from samples alone."""

from dataclasses import dataclass

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.engine.supervised import fit_classifier
from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.rng import seeded
from gan_experiments.types import MetricSpec


@dataclass(frozen=True)
class ClassificationAccuracyScore(Metric):
    """Accuracy on real held-out images of a classifier that was trained on samples and the labels asked for.

    Ravuri & Vinyals 2019, "Classification Accuracy Score for Conditional Generative Models", section 3. It trains a
    network at each evaluation, so it is no part of the defaults.
    """

    specs = (MetricSpec("classification_accuracy", higher_is_better=True),)
    depends_on = ("samples", "held_out", "extractor")
    requires = ("classes", "labels")
    has_anchors = False

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `classification_accuracy`, 0 to 1, higher is better."""
        with seeded("classification accuracy score", inputs.seed):
            pixels = inputs.pixels
            network = SmallCNN(pixels.shape[-1], pixels.shape[1], len(inputs.class_names))
        samples = TensorImageSet(pixels, inputs.labels)
        accuracy = fit_classifier(network, samples, inputs.held_out_images, inputs.seed)
        assert accuracy is not None
        return {"classification_accuracy": accuracy}
