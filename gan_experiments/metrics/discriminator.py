"""Scores and class logits of a discriminator, which stays as it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gan_experiments.metrics.features import Images
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import BLOCK_SIZE, evaluating, shuffle
from gan_experiments.types import DiscriminatorOutput, ImageSet

ImagesName = Literal["training", "held_out", "samples"]
BATCH_SIZE = 100


@dataclass
class DiscriminatorProbe:
    """Runs the first images of a set, in a fixed random order, through the discriminator in evaluation mode."""

    discriminator: nn.Module
    protocol: Protocol
    images: Images | None  # the samples; None: there is no generator
    seed: int  # of augmentations

    def scores(self, name: ImagesName, count: int) -> Tensor:
        """Return the scores (float32) of the first `count` images of a set."""
        return torch.cat([output.scores.float().cpu() for output, _ in self._outputs(name, count, augmented=False)])

    def class_logits(self, name: ImagesName, count: int, augmented: bool = False) -> tuple[Tensor, Tensor] | None:
        """Return class logits (float32, n×K) and labels (n) of them; None without a class head."""
        logits, labels = [], []
        for output, part in self._outputs(name, count, augmented):
            if output.class_logits is None:
                return None
            logits.append(output.class_logits.float().cpu())
            labels.append(part)
        return torch.cat(logits), torch.cat(labels)

    def _outputs(self, name: ImagesName, count: int, augmented: bool) -> Iterator[tuple[DiscriminatorOutput, Tensor]]:
        low, high = self.protocol.value_range
        device = next(self.discriminator.parameters()).device
        for block, (pixels, labels) in enumerate(self._blocks(name, count)):
            images = pixels.float() / 255
            if augmented:
                stream = torch.Generator().manual_seed(stream_seed("judged augmentations", self.seed, block))
                for augmentation in self.protocol.augmentations.values():
                    images = augmentation(images, stream)
            scaled = images * (high - low) + low
            for part, own in zip(torch.split(scaled, BATCH_SIZE), torch.split(labels, BATCH_SIZE), strict=True):
                with evaluating(self.discriminator):
                    output = self.discriminator(part.to(device), own.to(device))
                yield output, own

    def _blocks(self, name: ImagesName, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return pixels (uint8) and labels, block by block."""
        if name == "samples":
            assert self.images is not None
            labels = self.images.labels[:count]
            for block, part in enumerate(torch.split(labels, BLOCK_SIZE)):
                ((pixels, _),) = self.images.blocks([block])
                yield pixels[: len(part)].cpu(), part
            return
        images: ImageSet | None = getattr(self.protocol.real, name)
        assert images is not None
        for part in torch.split(shuffle(len(images))[:count], BLOCK_SIZE):
            yield images.read(part), images.labels[part]
