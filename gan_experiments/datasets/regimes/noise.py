"""Noisy copies of all training images beside the images themselves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from gan_experiments.datasets.regimes.base import Regime, Relabelled
from gan_experiments.types import ImageSet, TrainingFacts

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Kind = Literal["gaussian", "salt_and_pepper", "poisson"]


@dataclass(frozen=True)
class Noise(Regime):
    """All images, then a noisy copy of all of them for each kind, with the same labels.

    Each copy of each image has a random stream of its own, so it is the same in every epoch and on every machine,
    however images are read. White is 1.
    """

    kinds: Annotated[  # a kind named twice gives two copies
        Kind | Annotated[Sequence[Kind], Field(min_length=1)],
        Field(description="'gaussian', 'salt_and_pepper' or 'poisson', or a list of them, such as [gaussian,poisson]"),
    ]
    gaussian_deviation: PositiveFloat = 0.1  # standard deviation of what is added to each value, then clipped
    salt_and_pepper_share: Annotated[float, Field(gt=0, le=1)] = 0.05  # of the pixels; half of them white, half black
    poisson_peak: PositiveFloat = 256.0  # photons counted where it is white; fewer are noisier
    seed: NonNegativeInt = 0

    def each_kind(self) -> Sequence[Kind]:
        return [self.kinds] if isinstance(self.kinds, str) else self.kinds

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        return replace(facts, num_images=facts.num_images * (1 + len(self.each_kind())))

    def apply(self, image_set: ImageSet) -> ImageSet:
        return _WithCopies(image_set, self)

    def disturb(self, pixels: "Tensor", kind: Kind, stream: "torch.Generator") -> "Tensor":
        """Return one image (uint8, C×H×W) with noise; salt and pepper strike all channels of a pixel at once."""
        import torch

        values = pixels.float() / 255
        if kind == "gaussian":
            values = values + self.gaussian_deviation * torch.randn(values.shape, generator=stream)
        elif kind == "poisson":
            values = torch.poisson(values * self.poisson_peak, generator=stream) / self.poisson_peak
        else:
            struck = torch.rand(1, *values.shape[1:], generator=stream)
            values = torch.where(struck < self.salt_and_pepper_share, torch.zeros(()), values)
            values = torch.where(struck < self.salt_and_pepper_share / 2, torch.ones(()), values)
        return values.clamp(0, 1).mul(255).round().to(torch.uint8)


class _WithCopies(Relabelled):
    """N images, then N copies by the first kind of noise, and so on."""

    def __init__(self, image_set: ImageSet, noise: Noise) -> None:
        super().__init__(image_set, image_set.labels.repeat(1 + len(noise.each_kind())))
        self.noise = noise

    def read(self, indices: "Tensor") -> "Tensor":
        import torch

        from gan_experiments.rng import stream_seed

        pixels = self.image_set.read(indices % len(self.image_set)).clone()
        for row, index in enumerate(indices.tolist()):
            copy, original = divmod(index, len(self.image_set))
            if copy > 0:
                kind = self.noise.each_kind()[copy - 1]
                seed = stream_seed(f"noise {kind}", self.noise.seed, copy, original)
                pixels[row] = self.noise.disturb(pixels[row], kind, torch.Generator().manual_seed(seed))
        return pixels
