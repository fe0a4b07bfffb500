"""The update of a generator and a discriminator as a function of tensors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_experiments.augment.discriminator import DiscriminatorAugment
from gan_experiments.engine.optimization import NetworkOptimizer
from gan_experiments.losses.objective import Objective
from gan_experiments.losses.step import Step
from gan_experiments.models.latents import Latents
from gan_experiments.types import Batch, NetworkName, Progress, UserError


@dataclass(eq=False, repr=False, kw_only=True)
class Update:
    """Makes updates: `update(networks, due)(images, labels)` returns each loss term as a scalar tensor.

    What is returned for `networks` (those to update, in order) and `due` (names of the terms that are due for each) is
    a function of tensors with fixed shapes, without host synchronisation, optimiser step included: it can be traced.
    All that changes from iteration to iteration on the host is set before, by `prepare`.
    """

    generator: nn.Module  # latents and labels to images
    discriminator: nn.Module  # images and labels to a `DiscriminatorOutput`
    objective: Objective
    latents: Latents
    optimizers: Mapping[NetworkName, NetworkOptimizer]
    augment: DiscriminatorAugment | None = None  # stands between images and the discriminator
    fakes: Literal["fresh", "shared"] = "fresh"
    """`fresh` draws new fakes for each step; `shared` draws one batch for both steps of an iteration, so that the
    generator's step sees the fakes that the discriminator has just been trained on."""
    fake_labels: Literal["batch", "uniform", "data"] = "batch"
    """What the generator is given: the labels of the real `batch`, labels drawn `uniform` from all classes, or labels
    drawn as the `data` have them (with replacement from the batch)."""
    num_classes: int = 0  # of the data set; for labels that are drawn uniformly
    frozen_batch_norm: Literal["batch", "running"] = "batch"
    """What the discriminator's batch norm uses in the generator's step: the `batch`, or its `running` statistics (a
    frozen Keras network does the latter)."""
    discriminator_pass: Literal["separate", "joined"] = "separate"
    """Whether the discriminator scores real and fake images of its step in `separate` passes, real first, or `joined`
    in one, whose batch norm then tells them apart by their means; likewise in the generator's step if its batch norm
    uses the batch."""
    progress: Progress = field(default=Progress(), init=False)

    def __post_init__(self) -> None:
        if self.fake_labels == "uniform" and self.num_classes == 0:
            raise UserError("task.labels=uniform: the data set has no labels to draw from. Write task.labels=batch.")

    def __call__(
        self, networks: Sequence[NetworkName], due: Mapping[NetworkName, AbstractSet[str]]
    ) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
        return partial(self._update, networks, due)

    def prepare(self, networks: Iterable[NetworkName], progress: Progress) -> dict[NetworkName, frozenset[str]]:
        """Set what changes over training, for an update of these networks, and return the terms that are due."""
        self.progress = progress
        self.objective.set_kimg(progress.kimg)
        for name in networks:
            self.optimizers[name].set_kimg(progress.kimg)
        steps = {"discriminator": progress.discriminator_steps, "generator": progress.generator_steps}
        return {name: self.objective.due(name, steps[name]) for name in networks}

    def measure(self, network: NetworkName, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return a network's regular loss terms and their sum, without an update."""
        with torch.no_grad(), running_statistics(self.discriminator, not self._batch_statistics(network)):
            step = self._step(network, Batch(images, labels))
            return _named(network, self.objective.loss(step, self.objective.regular))

    def _update(
        self,
        networks: Sequence[NetworkName],
        due: Mapping[NetworkName, AbstractSet[str]],
        images: Tensor,
        labels: Tensor,
    ) -> dict[str, Tensor]:
        real, values = Batch(images, labels), dict[str, Tensor]()
        shared = self._step("generator", real) if self.fakes == "shared" and len(networks) > 1 else None
        for network in networks:
            own_steps = [name for name in sorted(due[network]) if self.objective.terms[name].own_step]
            step = self._step(network, real, shared)
            values |= _named(network, self._descend(step, due[network] - set(own_steps)))
            for name in own_steps:
                terms = self._descend(self._step(network, real, lazily=True), {name})
                values |= _named(network, {name: terms[name]})
        return values

    def _step(self, network: NetworkName, real: Batch, shared: Step | None = None, lazily: bool = False) -> Step:
        if shared is not None and network == "generator":
            return shared
        fake, labels, latents = None, real.labels, None
        if shared is not None:
            fake, latents = Batch(shared.fake.images.detach(), shared.labels), shared.latents
        else:
            latents = self.latents.sample(len(labels), device=labels.device)
            if self.fake_labels == "uniform":
                labels = torch.randint(self.num_classes, labels.shape, device=labels.device)
            elif self.fake_labels == "data":
                labels = labels[torch.randint(len(labels), labels.shape, device=labels.device)]
        step = Step(
            network,
            self.discriminator,
            real,
            fake,
            generator=self.generator,
            latents=latents,
            labels=labels,
            augment=self.augment,
            joined=self.discriminator_pass == "joined" and self._batch_statistics(network),
            progress=self.progress,
        )
        if not lazily:
            _ = step.fake  # before the discriminator runs: both may draw random numbers
        return step

    def _batch_statistics(self, network: NetworkName) -> bool:
        return network == "discriminator" or self.frozen_batch_norm == "batch"

    def _descend(self, step: Step, names: AbstractSet[str]) -> dict[str, Tensor]:
        with running_statistics(self.discriminator, not self._batch_statistics(step.network)):
            terms = self.objective.loss(step, names)
            self.optimizers[step.network].step(terms["loss"])
        self.objective.after_step(step, names)
        if self.augment is not None:
            with torch.no_grad():
                self.augment.after_step(step)
        return terms


def _named(network: NetworkName, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{network}/{name}": value.detach() for name, value in terms.items()}


@contextmanager
def running_statistics(network: nn.Module, active: bool = True) -> Iterator[None]:
    """Let a network's batch norm use its running statistics, as in evaluation, and leave them as they are."""
    modules = network.modules() if active else ()
    norms = [module for module in modules if isinstance(module, _BatchNorm) and module.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()
