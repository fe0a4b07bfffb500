"""A loss term, and the objective that sums terms by name."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, dataclass_transform, get_args, get_type_hints

import torch
from pydantic import FiniteFloat, PositiveInt
from torch import Tensor, nn

from gan_experiments.losses.step import Step
from gan_experiments.types import NetworkName, OverKimg, UserError


@dataclass_transform(kw_only_default=True, eq_default=False)
@dataclass(kw_only=True, eq=False, repr=False)
class LossTerm(nn.Module):
    """One published term of an objective. A side that it does not concern returns None.

    Annotated class attributes are the arguments of the constructor and of the yaml, as in a dataclass. Buffers are the
    term's state, which is saved, moved and resumed with the run; register them in `__post_init__`.

    A lazy term is due at every `every`-th step of the network that it concerns, and counts `every` times there:
    Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.1. With `own_step` it is not
    part of that step but one of its own, after it, as in their code, with newly drawn latents.
    """

    weight: FiniteFloat | OverKimg = 1.0  # factor in the sum, or a function of kimg
    every: PositiveInt = 1
    own_step: bool = False

    needs: ClassVar[Sequence[str]] = ()
    """Facts that the model's yaml must declare true, such as `class_head`; the term's yaml lists them as well."""
    double_backward: ClassVar[bool] = False
    """Whether the discriminator's step differentiates through a gradient, which compiled graphs cannot."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        own = cls.__dict__.get("__init__")
        dataclass(kw_only=True, eq=False, repr=False)(cls)
        if own is None:
            # Types as objects: as strings, those of inherited fields could not be resolved in the subclass's module.
            with contextlib.suppress(NameError, TypeError):  # names that exist for type checkers alone
                hints = get_type_hints(cls, vars(sys.modules[cls.__module__]), include_extras=True)
                signature = cls.__init__.__annotations__
                signature.update({name: hints[name] for name in signature if name in hints})

    def __post_init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(1.0), persistent=False)
        self.factor: Tensor
        self.set_kimg(0.0)

    def set_kimg(self, kimg: float) -> None:
        """Write the weight after `kimg` thousand real images to the device."""
        self.factor.fill_(self.weight(kimg) if callable(self.weight) else self.weight)

    @property
    def image_gradient(self) -> Literal["real", "fake"] | None:
        """Whose images the discriminator's step differentiates with respect to: made leaves before the first read."""
        return None

    def check(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Raise `UserError` where the networks lack what the term needs."""

    def discriminator_loss(self, step: Step) -> Tensor | None:
        """Return this term's N values or their mean in the discriminator's step, unweighted, or None."""
        return None

    def generator_loss(self, step: Step) -> Tensor | None:
        """Return this term's N values or their mean in the generator's step, unweighted, or None."""
        return None

    def after_step(self, step: Step) -> None:
        """Update state, or constrain parameters in place, after a network's optimiser has stepped; tensors only."""


class AdversarialLoss(LossTerm):
    """A term in which both networks are rivals: alarms compare its two losses."""


class Objective(nn.Module):
    """A sum of loss terms by the names under which they are weighted, logged and overridden; evaluated in this order.

    Raises:
        UserError: a network is left without a loss.
    """

    def __init__(self, terms: Mapping[str, LossTerm]) -> None:
        super().__init__()
        self.terms = dict(terms)
        for name, term in self.terms.items():
            self.add_module(f"{name}_term", term)  # whatever the name, no attribute of a module has it
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
        return frozenset(name for name, term in self.terms.items() if term.every == 1 and not term.own_step)

    @property
    def adversarial(self) -> frozenset[str]:
        """Names of the adversarial losses."""
        return frozenset(name for name, term in self.terms.items() if isinstance(term, AdversarialLoss))

    def names(self, network: NetworkName) -> frozenset[str]:
        """Names of the terms that give this network a loss, known from the methods that they override."""
        method = f"{network}_loss"
        return frozenset(
            name for name, term in self.terms.items() if getattr(type(term), method) is not getattr(LossTerm, method)
        )

    def due(self, network: NetworkName, step: int) -> frozenset[str]:
        """Names of the terms that concern a network and are due when it has made `step` steps."""
        return frozenset(name for name in self.names(network) if step % self.terms[name].every == 0)

    def lazy_ratio(self, network: NetworkName) -> float:
        """Return the share of a network's optimiser steps that are regular ones: k/(k+1) with one own step in k."""
        own_steps = [self.terms[name] for name in self.names(network) if self.terms[name].own_step]
        return 1 / (1 + sum(1 / term.every for term in own_steps))

    def set_kimg(self, kimg: float) -> None:
        """Write the weights that are functions of kimg to the device."""
        for term in self.terms.values():
            if callable(term.weight):
                term.set_kimg(kimg)

    def loss(self, step: Step, due: AbstractSet[str]) -> dict[str, Tensor]:
        """Sum the terms named in `due`, from `due` or `regular`.

        Returns:
            Scalars: `loss`, the sum to take gradients of, and each term's share by name, detached, without the factor
            of a lazy term.
        """
        if step.network == "discriminator":
            for name in due:
                if (which := self.terms[name].image_gradient) is not None:
                    step.require_image_gradient(which)
        shares: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            if name not in due:
                continue
            value = term.discriminator_loss(step) if step.network == "discriminator" else term.generator_loss(step)
            if value is not None:
                shares[name] = (value.mean() if value.ndim else value) * term.factor
        # A lazy term counts `every` times when it is due, so that its mean over the steps is a regular one's.
        loss = torch.stack([share * self.terms[name].every for name, share in shares.items()]).sum()
        return {name: share.detach() for name, share in shares.items()} | {"loss": loss}

    @torch.no_grad()
    def after_step(self, step: Step, due: AbstractSet[str]) -> None:
        """Let the terms that were due, and those without a loss, act after the optimiser has stepped."""
        for name, term in self.terms.items():
            if name in due or name not in self.names(step.network):
                term.after_step(step)
