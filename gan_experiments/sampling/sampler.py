"""From a generator to images: the same ones whatever the size of the batches, without a trace in the network."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from gan_experiments.config.suggestions import suggest
from gan_experiments.datasets.regimes.classes import find_class
from gan_experiments.datasets.tensors import default_device, to_uint8
from gan_experiments.models.latents import Latents, Normal
from gan_experiments.models.styled import StyledGenerator, Truncated
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.images import Samples, join
from gan_experiments.types import UserError

log = logging.getLogger(__name__)
BLOCK_SIZE = 500  # latents are drawn in blocks of this size, so that no value depends on the size of a batch
MAX_PIXELS = 100 * 64**2  # of the images made at once, where that is more than one
LOG_SECONDS = 5  # between two messages on the progress


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put the network into evaluation mode without gradients, and restore each module's own flag after."""
    flags = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, flag in flags:
            module.training = flag


def generate(generator: nn.Module, latents: Tensor, labels: Tensor, batch_size: int = 100) -> Tensor:
    """Return one image for each latent (float32, N×C×H×W, on the generator's device).

    At most `batch_size` are made at once, and of large ones fewer: 100 of 512×512 pixels would take tens of GiB.
    """
    device = next(generator.parameters()).device
    batches: list[Tensor] = []
    start, step = 0, 1  # the first one alone, since it shows how large they are
    with evaluating(generator), torch.autocast(device.type, enabled=False):
        while start < len(latents):
            part = slice(start, start + step)
            batches.append(generator(latents[part].to(device), labels[part].to(device)))
            start += step
            step = max(1, min(batch_size, MAX_PIXELS // batches[0].shape[-1] ** 2))
    return torch.cat(batches)


@dataclass(frozen=True)
class Sampler:
    """A generator with all that is needed to draw images from it; random streams stay as they were.

    Args:
        generator: latents (N×`latents.dim`) and labels (int64, N) to images (N×C×H×W).
        latents: the distribution that it was trained on.
        class_names: of the labels that it takes; empty where it ignores labels.
        value_range: the values of black and white.
        batch_size: images generated at once; no image depends on it but for rounding.
        trained_labels: labels that it was trained on; None: those of all classes.
        checkpoint: the file that its weights come from, if any, for messages.
        weights: which weights these are, in words.
        iteration: of training.
        kimg: of training.
        measured: entries as in results.json, where the checkpoint holds some.

    Example:
        >>> class Plain(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = nn.Linear(4, 64)
        ...     def forward(self, latents, labels):
        ...         return self.layer(latents).tanh().view(-1, 1, 8, 8)
        >>> sampler = Sampler(Plain(), Normal(4))
        >>> sampler.sample(10, seed=3).pixels.shape
        torch.Size([10, 1, 8, 8])
        >>> sampler.sample(10, seed=3, truncation=0.5).latents.abs().max() <= 0.5
        tensor(True)
    """

    generator: nn.Module
    latents: Latents = field(default_factory=lambda: Normal(64))
    class_names: Sequence[str] = ()
    value_range: Sequence[float] = (-1.0, 1.0)
    batch_size: int = 100
    trained_labels: Sequence[int] | None = None
    checkpoint: Path | None = None
    weights: str = "raw"
    iteration: int = 0
    kimg: float = 0.0
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def conditional(self) -> bool:
        """Whether it generates the class that it is asked for."""
        return bool(self.class_names)

    @cached_property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one image, C×H×W."""
        return tuple(self(self.latents.sample(1, torch.Generator())).pixels.shape[1:])

    @property
    def labels(self) -> list[int]:
        """The labels of all classes that it can be asked for; one, 0, where it takes no label."""
        if not self.conditional:
            return [0]
        return list(range(len(self.class_names))) if self.trained_labels is None else list(self.trained_labels)

    def to(self, device: torch.device | str | None = None) -> Self:
        """Move the generator to a device; by default to a GPU where there is one."""
        self.generator.to(device or default_device())
        return self

    def __call__(self, latents: Tensor, labels: Tensor | None = None) -> Samples:
        """Generate one image for each latent (float32, N×dim) and label (int64, N; None: zeros), on its device.

        Raises:
            UserError: the generator's values are not finite.
        """
        labels = torch.zeros(len(latents), dtype=torch.int64) if labels is None else labels
        images = generate(self.generator, latents, labels, self.batch_size)
        if not images.isfinite().all():
            where = f"{self.checkpoint}: " if self.checkpoint else ""
            raise UserError(
                f"{where}the generator returns values that are not finite: training has diverged. Choose an earlier "
                "checkpoint (--checkpoint)."
            )
        return Samples(*to_uint8(images, self.value_range), labels, latents)

    def sample(
        self,
        count: int,
        labels: int | str | Sequence[int | str] | Tensor | None = None,
        seed: int = 0,
        truncation: float | None = None,
    ) -> Samples:
        """Draw images, on the CPU; the i-th of a class follows from (seed, class, i) alone.

        Args:
            count: number of images.
            labels: the classes of the images in turn, by number or name, from the first again when they are used up;
                None: all classes.
            seed: of the latents.
            truncation: entries of the latents beyond ± this are drawn again; for a generator with styles, psi: styles
                are moved towards their mean, wholly by 0 and not by 1. None: no truncation.

        Raises:
            UserError: there is no such class, or the generator's values are not finite.
        """
        if labels is None:
            given = self.labels
        elif isinstance(labels, Tensor):
            given = labels.tolist()
        else:
            named = [labels] if isinstance(labels, int | str) else labels
            given = [self.label_of(name) for name in named]
        wanted = torch.tensor(given).repeat(-(-count // len(given)))[:count]
        by_class = []
        for label, size in sorted(Counter(wanted.tolist()).items()):
            by_class += list(self.class_blocks([label], size, seed, truncation))
        return join(by_class).take(wanted.argsort(stable=True).argsort())

    def class_blocks(
        self, labels: Sequence[int], count: int, seed: int = 0, truncation: float | None = None
    ) -> Iterator[Samples]:
        """Draw `count` images of each class, those of `sample`, block by block; each block is of one class."""
        if truncation is not None and isinstance(self.generator, StyledGenerator):
            yield from replace(self, generator=Truncated(self.generator, truncation)).class_blocks(labels, count, seed)
            return
        done, total, logged = 0, count * len(labels), time.monotonic()
        for label in labels:
            for block, start in enumerate(range(0, count, BLOCK_SIZE)):
                stream = torch.Generator().manual_seed(stream_seed("drawn latents", seed, label, block))
                latents = self.latents.sample(BLOCK_SIZE, stream, truncation=truncation)[: count - start]
                yield self(latents, torch.full((len(latents),), label)).cpu()
                done += len(latents)
                if time.monotonic() - logged >= LOG_SECONDS:
                    log.info("%s of %s images drawn.", f"{done:,}", f"{total:,}")
                    logged = time.monotonic()

    def blocks(self, labels: Tensor, seed: int = 0, numbers: Sequence[int] | None = None) -> Iterator[Samples]:
        """Draw one image for each label, block by block; latent i follows from (seed, i), whatever its label.

        These are the samples that metrics measure; they stay on the generator's device. `numbers`: of the blocks to
        draw; None: all.
        """
        for block in range(-(-len(labels) // BLOCK_SIZE)) if numbers is None else numbers:
            wanted = labels[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]
            stream = torch.Generator().manual_seed(stream_seed("evaluation latents", seed, block))
            yield self(self.latents.sample(BLOCK_SIZE, stream)[: len(wanted)], wanted)

    def interpolate(self, start: Tensor, end: Tensor, steps: int, label: int = 0) -> Samples:
        """Generate `steps` images of one class from one latent (of `latents.dim` entries) to another; on the CPU."""
        share = torch.linspace(0, 1, steps)[:, None]
        latents = self.latents.interpolate(start.expand(steps, -1), end.expand(steps, -1), share)
        return self(latents, torch.full((steps,), label)).cpu()

    def label_of(self, name: str | int) -> int:
        """Return the label of a class by name or number; a word that is both is taken as the name.

        Raises:
            UserError: there is no such class, it was not trained on, or the generator takes no label.
        """
        names, word = list(self.class_names), str(name)
        if not self.conditional:
            raise UserError(
                f"class {word}: this generator takes no label (model.conditional is false), so a class cannot be asked "
                "for. Leave the class out, or train one that does, such as model=dcgan_projection."
            )
        label = find_class(word, names)
        if label is None and word.isdecimal() and int(word) < len(names):
            label = int(word)
        if label is None:
            raise UserError(
                f"class {word}: classes are named, or 0 to {len(names) - 1}, and none is this{suggest(word, names)}"
            )
        if label not in self.labels:
            raise UserError(
                f"class {word}: the run's regime leaves this class out, so the generator never learnt it. It knows: "
                f"{', '.join(names[label] for label in self.labels)}."
            )
        return label


def shuffle(count: int) -> Tensor:
    """Return a permutation that is always the same: data may be sorted, and a part of them must not be one class."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def labels_like(counts: Sequence[int], num_samples: int, seed: int) -> Tensor:
    """Draw labels (int64, N) independently, with probabilities as `counts`; zeros where there are no classes.

    Equal shares would make samples depend on each other, and an unbiased estimate such as KID's biased.
    """
    if not counts:
        return torch.zeros(num_samples, dtype=torch.int64)
    stream = torch.Generator().manual_seed(stream_seed("evaluation labels", seed))
    return torch.multinomial(torch.tensor(counts, dtype=torch.float64), num_samples, replacement=True, generator=stream)
