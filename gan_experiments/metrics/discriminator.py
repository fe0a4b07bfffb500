"""Asking a discriminator about images, without a trace in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_experiments.metrics.base import ImagesName
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import BLOCK_SIZE, evaluating, shuffle
from gan_experiments.types import DiscriminatorOutput, ImageSet

BATCH_SIZE = 100


@dataclass
class DiscriminatorJudge:
    """Runs the first images of a set, in a fixed random order, through the discriminator in evaluation mode."""

    discriminator: nn.Module
    generator: nn.Module | None
    protocol: Protocol
    seed: int  # of samples and augmentations

    @property
    def has_generator(self) -> bool:
        """Whether there are samples."""
        return self.generator is not None

    @property
    def has_held_out(self) -> bool:
        """Whether there are real images that it was not trained on."""
        return self.protocol.real.held_out is not None

    @property
    def no_class_head(self) -> str:
        """Why its class head is not to be asked; an empty string where it may be."""
        return self.protocol.no_class_head

    def scores(self, name: ImagesName, count: int) -> Tensor:
        """Return the scores (float32) of the first `count` images of a set."""
        return torch.cat([output.scores.float().cpu() for output, _ in self._outputs(name, count, augmented=False)])

    def class_logits(self, name: ImagesName, count: int, augmented: bool = False) -> tuple[Tensor, Tensor] | None:
        """Return class logits (float32, n×K) and labels (n) of them; None without a class head."""
        found, labels = [], []
        for output, wanted in self._outputs(name, count, augmented):
            if output.class_logits is None:
                return None
            found.append(output.class_logits.float().cpu())
            labels.append(wanted)
        return torch.cat(found), torch.cat(labels)

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
            for part, wanted in zip(torch.split(scaled, BATCH_SIZE), torch.split(labels, BATCH_SIZE), strict=True):
                with evaluating(self.discriminator):
                    output = self.discriminator(part.to(device), wanted.to(device))
                yield output, wanted

    def _blocks(self, name: ImagesName, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return pixels (uint8) and labels, block by block."""
        protocol = self.protocol
        if name == "samples":
            assert self.generator is not None
            labels = protocol.sample_labels(self.seed)[:count]
            for samples in protocol.sampler(self.generator).blocks(labels, self.seed):
                yield samples.pixels.cpu(), samples.labels
            return
        images: ImageSet | None = getattr(protocol.real, name)
        assert images is not None
        for part in torch.split(shuffle(len(images))[:count], BLOCK_SIZE):
            yield images.read(part), images.labels[part]
