"""The grammar of losses: judged images, a loss term, and the objective that sums terms by name."""

# No `from __future__ import annotations` here: the fields that terms inherit carry their types into the constructors of
# other files as objects, so that `get_type_hints` resolves them there without the names being imported.

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from pydantic import FiniteFloat, PositiveInt
from torch import Tensor, nn

from gan_experiments.types import Batch, DiscriminatorOutput, NetworkName, UserError

Discriminator = Callable[[Tensor, Tensor], DiscriminatorOutput]


class Judged:
    """Images (N×C×H×W) with their labels (N) and what the discriminator says of them.

    The discriminator runs when its output is first read, and once. `after` is judged first where given: batch-norm
    statistics and dropout depend on the order.
    """

    def __init__(
        self, discriminator: Discriminator, images: Tensor, labels: Tensor, after: "Judged | None" = None
    ) -> None:
        self.images = images
        self.labels = labels
        self._discriminator = discriminator
        self._after = after
        self._pair: tuple[Judged, Judged] | None = None
        self._output: DiscriminatorOutput | None = None

    def judge_with(self, other: "Judged") -> None:
        """Judge these images, and after them the other's, in one pass: batch norm has statistics of both together."""
        self._pair = other._pair = (self, other)
        self._after = other._after = None

    @property
    def output(self) -> DiscriminatorOutput:
        """Scores, class logits and features of the images; in float32 whatever the precision of the networks."""
        # Not a cached_property: its lock (up to Python 3.11) breaks a compiled graph.
        if self._output is None and self._pair is not None:
            _judge_both(*self._pair)
        if self._output is None:
            if self._after is not None:
                _ = self._after.output
            self._output = self.judge(self.images)
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

    def judge(self, images: Tensor) -> DiscriminatorOutput:
        """Make a further pass over other images (interpolates, augmented copies) with the same labels."""
        output = self._discriminator(images, self.labels)
        class_logits, features = (None if part is None else part.float() for part in output[1:3])
        return DiscriminatorOutput(output.scores.float(), class_logits, features)


def _judge_both(first: Judged, second: Judged) -> None:
    images, labels = torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels])
    output = first._discriminator(images, labels)
    for judged, rows in ((first, slice(len(first.images))), (second, slice(len(first.images), None))):
        class_logits, features = (None if part is None else part[rows].float() for part in output[1:3])
        judged._output = DiscriminatorOutput(output.scores[rows].float(), class_logits, features)


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """One published term of an objective. A side that it does not concern returns None.

    A lazy term is due at every `every`-th step of the network that it concerns, and counts `every` times there:
    Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.1.
    """

    weight: FiniteFloat = 1.0  # factor in the sum
    every: PositiveInt = 1
    needs: Sequence[str] = ()  # facts that the model's yaml must declare true, such as `class_head`

    image_gradient: ClassVar[Literal["real", "fake"] | None] = None
    """Whose images the discriminator's step differentiates with respect to: marked as leaves before the first read."""
    double_backward: ClassVar[bool] = False
    """Whether the discriminator's step differentiates through a gradient, which compiled graphs cannot."""

    def discriminator_loss(self, real: Judged, fake: Judged) -> Tensor | None:
        """Return this term's scalar in the discriminator's step, unweighted, or None. Read `real` before `fake`."""
        return None

    def generator_loss(self, real: Judged, fake: Judged) -> Tensor | None:
        """Return this term's scalar in the generator's step, unweighted, or None. Read `real` before `fake`."""
        return None

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """Constrain the discriminator's parameters in place after its optimiser has stepped."""


class Objective:
    """A sum of loss terms by the names under which they are weighted, logged and overridden; evaluated in this order.

    Raises:
        UserError: a network is left without a loss.
    """

    def __init__(self, terms: Mapping[str, LossTerm]) -> None:
        self.terms = dict(terms)
        for network in get_args(NetworkName):
            if not self.names(network) & self.regular:
                raise UserError(
                    f"loss: no term gives the {network} a loss at each of its steps (terms: {', '.join(self.terms)}); "
                    "choose an adversarial loss, such as loss=non_saturating, and add penalties with +loss/term=..."
                )

    @property
    def double_backward(self) -> bool:
        """Whether a term differentiates through a gradient of the discriminator."""
        return any(term.double_backward for term in self.terms.values())

    @property
    def regular(self) -> frozenset[str]:
        """Names of the terms that are due at each step: a sum of these is comparable from step to step."""
        return frozenset(name for name, term in self.terms.items() if term.every == 1)

    def names(self, network: NetworkName) -> frozenset[str]:
        """Names of the terms that give this network a loss, known from the methods that they override."""
        method = f"{network}_loss"
        return frozenset(
            name for name, term in self.terms.items() if getattr(type(term), method) is not getattr(LossTerm, method)
        )

    def due(self, network: NetworkName, step: int) -> frozenset[str]:
        """Names of the terms that concern a network and are due when it has made `step` steps."""
        return frozenset(name for name in self.names(network) if step % self.terms[name].every == 0)

    def discriminator_loss(
        self, discriminator: Discriminator, real: Batch, fake: Batch, due: AbstractSet[str], *, joined: bool = False
    ) -> dict[str, Tensor]:
        """Sum the terms named in `due`, from `due` or `regular`, in the discriminator's step.

        `joined` judges real and fake in one pass: their batch statistics are then common to both.

        `fake` is as many generated images as `real`, detached from the generator. Gives scalars: `loss`, the sum to go
        backward from, and each term's share by name, detached, without the factor of a lazy term.
        """
        leaves = {self.terms[name].image_gradient for name in due}
        judged_real = Judged(discriminator, _leaf(real.images) if "real" in leaves else real.images, real.labels)
        fake_images = _leaf(fake.images) if "fake" in leaves else fake.images
        judged_fake = Judged(discriminator, fake_images, fake.labels, after=judged_real)
        if joined:
            judged_real.judge_with(judged_fake)
        return self._sum(due, lambda term: term.discriminator_loss(judged_real, judged_fake))

    def generator_loss(
        self, discriminator: Discriminator, real: Batch, fake: Batch, due: AbstractSet[str], *, joined: bool = False
    ) -> dict[str, Tensor]:
        """Sum the due terms of the generator's step; see `discriminator_loss`.

        `fake` leads back to the generator here. Only what a term reads is judged, so most losses never judge `real`,
        unless it is `joined` to `fake`.
        """
        judged_real = Judged(discriminator, real.images, real.labels)
        judged_fake = Judged(discriminator, fake.images, fake.labels)
        if joined:
            judged_real.judge_with(judged_fake)
        return self._sum(due, lambda term: term.generator_loss(judged_real, judged_fake))

    def after_discriminator_step(self, discriminator: nn.Module) -> None:
        """Let the terms constrain the discriminator's parameters in place after its optimiser has stepped."""
        for term in self.terms.values():
            term.after_discriminator_step(discriminator)

    def _sum(self, due: AbstractSet[str], give: Callable[[LossTerm], Tensor | None]) -> dict[str, Tensor]:
        shares: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            if name in due and (value := give(term)) is not None:
                shares[name] = value * term.weight
        # A lazy term counts `every` times when it is due, so that its mean over the steps is a regular one's.
        loss = torch.stack([share * self.terms[name].every for name, share in shares.items()]).sum()
        return {name: share.detach() for name, share in shares.items()} | {"loss": loss}


def _leaf(images: Tensor) -> Tensor:
    return images.detach().requires_grad_()
