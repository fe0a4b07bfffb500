"""Is the centre of samples too dark."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.types import MetricSpec

PERCENTILES = (5, 25, 50, 75, 95)
SHAPE = {f"center_darkness_{percentile}": percentile for percentile in PERCENTILES}
"""Values that show how darkness is distributed."""


@dataclass(frozen=True)
class CenterPatch(Metric):
    """Brightness of a square in the middle of each sample, against that of the real images.

    Ours, for findings of two reports: a dark circle in the middle of samples (E), noise with a light middle (C). The
    square's side is that share of the image's, rounded up to where it has equally many pixels on all sides. An image is
    an outlier if its square is brighter or darker than all but the given share of the reference's are, at either end.
    """

    side: Annotated[float, Field(gt=0, le=1)] = 0.25
    tail: Annotated[float, Field(gt=0, lt=0.5)] = 0.01

    specs = (
        MetricSpec("center_darkness"),
        MetricSpec("center_contrast"),
        MetricSpec("center_outliers"),
        MetricSpec("center_dark_outliers"),
        *(MetricSpec(name, part_of="center_darkness") for name in SHAPE),
    )
    depends_on = ("samples", "reference")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `center_darkness`, `center_outliers`, `center_dark_outliers` and percentiles of darkness, all 0 to 1.

        The mean darkness (1 is black), and the shares of samples that are outliers at either end and at the dark one.
        And `center_contrast` (-1 to 1): how much brighter the square is than the whole image, on average.
        """
        pixels = inputs.pixels
        generated, real = self._brightness([pixels]), self._brightness(inputs.reference_pixels())
        # Where real images are often black there, even the tail's end is black: none is darker, and none is counted.
        low, high = real.quantile(self.tail), real.quantile(1 - self.tail)
        dark, bright = (generated < low).double().mean(), (generated > high).double().mean()
        return {
            "center_darkness": 1 - float(generated.mean()),
            "center_contrast": float(generated.mean() - pixels.double().mean() / 255),
            "center_outliers": float(dark + bright),
            "center_dark_outliers": float(dark),
            **{name: float((1 - generated).quantile(percentile / 100)) for name, percentile in SHAPE.items()},
        }

    def _brightness(self, blocks: Iterable[Tensor]) -> Tensor:
        """Return the mean of each image's square (float64, N; 0 black, 1 white) of pixels (uint8, n×C×H×W a block)."""
        means = []
        for pixels in blocks:
            size = pixels.shape[-1]
            margin = int(size * (1 - self.side) / 2)
            inner = slice(margin, size - margin)
            means.append(pixels[..., inner, inner].double().mean((1, 2, 3)) / 255)
        return torch.cat(means)
