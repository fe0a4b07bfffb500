"""What a loss term reads in one network's step: scored images, the latents and labels behind them, both networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from gan_experiments.types import Batch, DiscriminatorOutput, NetworkName, Progress

Network = Callable[..., Any]
"""An `nn.Module`, or in a hand-written loop any function like it."""


@dataclass(eq=False, repr=False)
class Scored:
    """Images (N×C×H×W) with their labels (N) and the discriminator's output for them, computed when first read, once.

    `after` is scored first where given: batch-norm statistics and dropout depend on the order.
    """

    _score: Callable[[Tensor, Tensor], DiscriminatorOutput]
    images: Tensor
    labels: Tensor
    after: Scored | None = None
    _pair: tuple[Scored, Scored] | None = field(default=None, init=False)
    _output: DiscriminatorOutput | None = field(default=None, init=False)

    def join(self, other: Scored) -> None:
        """Score these images, and after them the other's, in one pass: batch norm has statistics of both together."""
        self._pair = other._pair = (self, other)
        self.after = other.after = None

    @property
    def output(self) -> DiscriminatorOutput:
        """The output for the images; in float32 whatever the precision of the networks."""
        # Not a cached_property: its lock (up to Python 3.11) breaks a compiled graph.
        if self._output is None and self._pair is not None:
            self._score_pair(*self._pair)
        if self._output is None:
            if self.after is not None:
                _ = self.after.output
            self._output = self._score(self.images, self.labels)
        return self._output

    @property
    def scores(self) -> Tensor:
        """Scores, shape N, unbounded, high for real."""
        return self.output.scores

    @property
    def class_logits(self) -> Tensor:
        """Class logits, shape N×K."""
        assert self.output.class_logits is not None, "the cross-check admits class losses only with a class head"
        return self.output.class_logits

    def score(self, images: Tensor) -> DiscriminatorOutput:
        """Make a further pass over other images (interpolates, augmented copies) with the same labels."""
        return self._score(images, self.labels)

    def gradient(self) -> Tensor:
        """Return each image's ∇D, N×(C·H·W) in float32, from the pass that other terms read.

        The images must be a leaf (`LossTerm.image_gradient`). Where that pass is of no use, because it ran in a lower
        precision or recorded no graph, another one is made.
        """
        if torch.is_grad_enabled() and not torch.is_autocast_enabled(self.images.device.type):
            return _gradient(self.scores, self.images, create_graph=True)
        return self.gradient_at(self.images)

    def gradient_at(self, images: Tensor) -> Tensor:
        """Return ∇D at other images with the same labels, N×(C·H·W), from a float32 pass of its own.

        Autocast is off: the gradient of a half-precision pass underflows, and its rounding errors would be penalised.
        The graph is kept only where gradients are recorded, so that a penalty can also be measured under `no_grad`.
        """
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
            images = images.detach().float().requires_grad_()
            return _gradient(self.score(images).scores, images, create_graph)

    def _score_pair(self, first: Scored, second: Scored) -> None:
        size = len(first.images)
        output = self._score(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))
        first._output = _for_each(output, lambda part: part[:size])
        second._output = _for_each(output, lambda part: part[size:])


class Step:
    """One step of one network.

    Args:
        network: whose step it is.
        discriminator: images and labels to a `DiscriminatorOutput`.
        real: real images and their labels.
        fake: as many generated images and the labels that the generator was given; detached from the generator in the
            discriminator's step. None: generated from `latents` when first read.
        generator: latents and labels to images.
        latents: what the fake images are generated from.
        labels: what the generator is given with them, by default the labels of the real images.
        augment: stands between images and the discriminator wherever it scores.
        joined: score real and fake in one pass: their batch statistics are then common to both.
        progress: how far training has come. A captured or compiled update does not see it change.
    """

    def __init__(
        self,
        network: NetworkName,
        discriminator: Network,
        real: Batch,
        fake: Batch | None = None,
        *,
        generator: Network | None = None,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        joined: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.network = network
        self.discriminator: Any = discriminator
        self.progress = progress or Progress()
        self.carried: dict[object, Tensor] = {}
        """What a term keeps from its loss for its `after_step`; by the term itself."""
        self._generator = generator
        self._latents = latents
        self._augment = augment
        self._joined = joined
        self._leaves: set[str] = set()
        self.real = Scored(self.score, *real)
        self.labels = fake.labels if fake is not None else real.labels if labels is None else labels
        self._fake = None if fake is None else self._scored_fake(fake.images)

    @property
    def generator(self) -> Any:
        """The generator."""
        assert self._generator is not None, "this step was made without a generator"
        return self._generator

    @property
    def latents(self) -> Tensor:
        """The latents of the fake images."""
        assert self._latents is not None, "this step was made without latents"
        return self._latents

    @property
    def fake(self) -> Scored:
        """As many generated images as real ones."""
        if self._fake is None:
            self._fake = self._scored_fake(self.generate(self.latents).images)
        return self._fake

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Scored:
        """Generate images, by default with the labels of the fake ones; only the generator's step takes gradients."""
        labels = self.labels if labels is None else labels
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.network == "generator"):
            images: Tensor = self.generator(latents, labels).float()  # under autocast networks return less
        return Scored(self.score, images, labels)

    def score(self, images: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Pass images through the augmentation and the discriminator, by default with the labels of the fake ones."""
        shown = images if self._augment is None else self._augment(images)
        output = self.discriminator(shown, self.labels if labels is None else labels)
        return _for_each(output, Tensor.float)

    def require_image_gradient(self, which: Literal["real", "fake"]) -> None:
        """Make images a leaf, before they are scored, so that scores can be differentiated with respect to them."""
        scored = self.real if which == "real" else self._fake
        if which not in self._leaves and scored is not None:
            scored.images = _leaf(scored.images)
        self._leaves.add(which)

    def _scored_fake(self, images: Tensor) -> Scored:
        images = _leaf(images) if "fake" in self._leaves else images
        # In the generator's step most losses never read `real`, so the discriminator does not run on it.
        fake = Scored(self.score, images, self.labels, after=self.real if self.network == "discriminator" else None)
        if self._joined:
            self.real.join(fake)
        return fake


def _gradient(scores: Tensor, images: Tensor, create_graph: bool) -> Tensor:
    # A score depends on its own image (but for batch norm, as in the papers), so the sum's gradient is each score's.
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=create_graph)
    return gradient.flatten(start_dim=1)


def _leaf(images: Tensor) -> Tensor:
    return images.detach().requires_grad_()


def _for_each(output: DiscriminatorOutput, function: Callable[[Tensor], Tensor]) -> DiscriminatorOutput:
    """Apply a function to every tensor of an output."""

    def apply(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {name: apply(value) for name, value in part.items()}
        if isinstance(part, tuple | list):
            return tuple(apply(value) for value in part)
        return None if part is None else function(part)

    return DiscriminatorOutput(*(apply(part) for part in output))
