"""The reconstructions of an autoencoder beside the images themselves."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gan_experiments.datasets.regimes.base import FitContext, Fitted, Reconstructions, Regime, Relabelled
from gan_experiments.types import ImageSet, TrainingFacts, UserError

if TYPE_CHECKING:
    from torch import Tensor

    from gan_experiments.datasets.tensors import Stored

VERSION = 1  # of the network and its training; part of the name under which reconstructions are kept
PAIRS = 30  # images in the picture, ten in a row


@dataclass(frozen=True)
class Autoencoder(Regime):
    """All images, then what an autoencoder makes of each, with the same labels; it is trained on just these images."""

    num_layers: Annotated[int, Field(ge=1, le=3)]  # of the encoder; the decoder has as many
    width: PositiveInt  # maps after the first of several layers, doubled by each further one
    code_channels: PositiveInt  # numbers that are left of every 2×2 pixels
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    seed: NonNegativeInt = 0

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        most = facts.image_size.bit_length() - 1
        if self.num_layers > most:
            raise UserError(
                f"regime.autoencoder.num_layers={self.num_layers}, but each layer halves the side, and the images have "
                f"{facts.image_size}×{facts.image_size} pixels: "
                + (f"write at most {most}." if most > 0 else "leave the autoencoder out.")
            )
        return replace(facts, num_images=2 * facts.num_images)

    def fit(self, image_set: ImageSet, context: FitContext) -> Fitted:
        """Train the autoencoder, or take what one returned that was trained on the same images before."""
        import torch

        made = self._cached(image_set, context)
        errors = {"mean_squared_error": made.error, "held_out_mean_squared_error": made.held_out_error}
        shown = min(PAIRS, len(image_set))
        originals = image_set.read(torch.arange(shown))
        rows = zip(torch.split(originals, 10), torch.split(made.pixels[:shown], 10), strict=True)
        picture = torch.cat([row for pair in rows for row in pair])
        return Fitted(_WithReconstructions(made.pixels), {"autoencoder": errors}, {"autoencoder.png": picture})

    def _cached(self, image_set: ImageSet, context: FitContext) -> Reconstructions:
        from gan_experiments.datasets.loader import fingerprint
        from gan_experiments.datasets.tensors import cached_tensors

        held_out = context.held_out()
        facts = json.dumps([VERSION, asdict(self), None if held_out is None else fingerprint(held_out)])
        name = f"reconstructions-{fingerprint(image_set)}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"

        def train() -> "Stored":
            made = context.reconstruct(image_set, held_out, **asdict(self))
            return {"pixels": made.pixels}, {"error": made.error, "held_out_error": made.held_out_error}

        tensors, errors = cached_tensors(context.cache_dir / f"{name}.safetensors", train)
        return Reconstructions(tensors["pixels"], **errors)


@dataclass(frozen=True, eq=False)
class _WithReconstructions(Regime):
    """The regime of an autoencoder that is trained."""

    pixels: "Tensor"

    def apply(self, image_set: ImageSet) -> ImageSet:
        return _Joined(image_set, self.pixels)


class _Joined(Relabelled):
    """N images, then their N reconstructions, which are held in memory."""

    def __init__(self, image_set: ImageSet, pixels: "Tensor") -> None:
        assert len(image_set) == len(pixels)
        super().__init__(image_set, image_set.labels.repeat(2))
        self.pixels = pixels

    def read(self, indices: "Tensor") -> "Tensor":
        made = indices >= len(self.image_set)
        pixels = self.pixels[indices % len(self.image_set)]
        if not made.all():
            pixels[~made] = self.image_set.read(indices[~made])
        return pixels
