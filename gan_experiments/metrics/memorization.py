"""Are samples copies of training images."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_experiments.metrics.base import Metric, MetricInputs, Picture
from gan_experiments.metrics.features import Features
from gan_experiments.types import MetricSpec

NUM_PAIRS, COLUMNS = 20, 10  # of the picture


@dataclass(frozen=True)
class Memorization(Metric):
    """Distances of samples to their nearest training images, against those of held-out real images.

    The idea of the data-copying test of Meehan et al. 2020, "A Non-Parametric Test to Detect Data-Copying in Generative
    Models": a generator that has learnt the distribution is as far from its training images as fresh data are.
    Distances are Euclidean, between features; the first `num_images` of samples and of held-out images are used.
    """

    num_images: int = 2000
    quantile: float = 0.01  # a sample is a copy if it is nearer than this share of held-out images

    specs = (
        MetricSpec("memorization_ratio", higher_is_better=True),
        MetricSpec("memorized_share"),
    )
    depends_on = ("samples", "training", "held_out", "extractor")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `memorization_ratio` and `memorized_share`.

        The ratio is the median distance over that of held-out images: 1 as fresh data, 0 copies. The share counts the
        samples nearer than 1% of the held-out images are: 0.01 as fresh data, 1 copies.
        """
        distances, _ = nearest(inputs.samples.take(slice(self.num_images)), inputs.training)
        fresh, _ = nearest(inputs.held_out.take(slice(self.num_images)), inputs.training)
        return {
            "memorization_ratio": float(distances.median() / fresh.median()) if fresh.median() > 0 else math.nan,
            "memorized_share": float((distances <= fresh.quantile(self.quantile)).double().mean()),
        }

    def pictures(self, inputs: MetricInputs) -> dict[str, Picture]:
        """Return `nearest`: the samples that are nearest to a training image, and below each row these images."""
        distances, which = nearest(inputs.samples.take(slice(self.num_images)), inputs.training)
        order = distances.argsort()[:NUM_PAIRS]
        rows = (inputs.pixels[order].cpu(), inputs.training_pixels(which[order]))
        pairs = zip(*(torch.split(part, COLUMNS) for part in rows), strict=True)
        return {"nearest": Picture(torch.cat([row for pair in pairs for row in pair]), COLUMNS)}


def nearest(samples: Features, training: Features) -> tuple[Tensor, Tensor]:
    """Return for each sample the distance to its nearest training image, and which one it is."""
    which = torch.cat([torch.cdist(rows, training.features).argmin(1) for rows in torch.split(samples.features, 500)])
    # The distance once more, exactly: through a matrix product a copy would be at 1e-2 in place of 0.
    return (samples.features - training.features[which]).norm(dim=1), which
