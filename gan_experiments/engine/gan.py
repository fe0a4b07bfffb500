"""The alternating update of a generator and a discriminator, by manual optimisation."""

from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_experiments.engine.ema import EMA
from gan_experiments.engine.module import MemoryFormat, Optimization, TrainingModule
from gan_experiments.engine.schedules.base import Schedule
from gan_experiments.losses.objective import Objective
from gan_experiments.models.latents import Latents
from gan_experiments.types import Batch, NetworkName


class GAN(TrainingModule):
    """A generator, a discriminator, and what trains them.

    Args:
        generator: latents (N×latents.dim) and labels (N) to images (N×C×H×W).
        discriminator: images and labels to a `DiscriminatorOutput`.
        objective: the sum of loss terms.
        schedule: which network is updated at which iteration.
        optimization: how networks are updated.
        latents: the distribution that they are drawn from.
        ema_half_life_kimg: half-life of the EMA generator; None trains without one.
        fakes: `fresh` draws new fakes for each step; `shared` draws one batch for both steps of an iteration, so
            that the generator's step sees the fakes that the discriminator has just been trained on.
        frozen_batch_norm: what the discriminator's batch norm uses in the generator's step: the `batch`, or its
            `running` statistics (a frozen Keras network does the latter).
        discriminator_pass: whether the discriminator judges real and fake images of its step in `separate` passes, real
            first, or `joined` in one, whose batch norm then tells them apart by their means; likewise in the
            generator's step if its batch norm uses the batch.
        memory_format: layout of convolutions; `channels_last` changes the order of summation only.
        compile: compile the generator, and the discriminator unless a loss term differentiates through a gradient.
    """

    networks: ClassVar[tuple[NetworkName, ...]] = get_args(NetworkName)
    schedule: Schedule

    def __init__(
        self,
        *,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: Objective,
        schedule: Schedule,
        optimization: Optimization,
        latents: Latents,
        ema_half_life_kimg: float | None,
        fakes: Literal["fresh", "shared"] = "fresh",
        frozen_batch_norm: Literal["batch", "running"] = "batch",
        discriminator_pass: Literal["separate", "joined"] = "separate",
        memory_format: MemoryFormat = "contiguous",
        compile: bool = False,
    ) -> None:
        super().__init__(discriminator, optimization, memory_format)
        self.generator = generator.to(memory_format=self.memory_format)
        self.ema = EMA(self.generator, ema_half_life_kimg) if ema_half_life_kimg else None
        self.objective = objective
        self.schedule = schedule
        self.latents = latents
        self.fakes = fakes
        self.frozen_batch_norm = frozen_batch_norm
        self.joined = discriminator_pass == "joined"
        if compile:
            self.generator.compile()
            if not objective.double_backward:
                self.discriminator.compile()

    @property
    def sampler(self) -> nn.Module:
        """The generator that metrics, grids and exports use: the averaged one where there is one."""
        return self.ema.network if self.ema is not None else self.generator

    @property
    def adversarial(self) -> set[str]:
        """Names of the terms that both networks have, but for those of the class head."""
        names = self.objective.names("discriminator") & self.objective.names("generator")
        return {name for name in names if "class_head" not in self.objective.terms[name].needs}

    def training_step(self, batch: Batch, batch_index: int) -> None:
        real = self.formatted(batch)
        updates = self.schedule.plan(self.clock.progress(self.batches_per_epoch))
        shared = self.generate(real.labels) if self.fakes == "shared" and all(updates) else None
        values: dict[NetworkName, dict[str, Tensor]] = {}
        if updates.discriminator:
            values["discriminator"] = self._update_discriminator(real, shared)
        if updates.generator:
            values["generator"] = self._update_generator(real, shared)
        self.clock.advance(updates, self.batch_size)
        if updates.generator and self.ema is not None:
            self.ema.update(self.generator, self.batch_size, self.clock.images_seen)
        every = self.schedule.measure_every
        if every is not None and self.clock.iterations % every == 0:
            self._observe(real, values)
        for network, terms in values.items():
            self.means.add({f"{network}/{name}": value for name, value in terms.items()})

    def generate(self, labels: Tensor) -> Tensor:
        """Generate one image for each label from latents of the device's default random stream."""
        latents = self.latents.sample(len(labels), device=labels.device)
        images: Tensor = self.generator(latents, labels)
        return images.float()  # under autocast networks give less

    def _update_discriminator(self, real: Batch, shared: Tensor | None) -> dict[str, Tensor]:
        if shared is None:
            with torch.no_grad():
                shared = self.generate(real.labels)
        due = self.objective.due("discriminator", self.clock.discriminator_steps)
        fake = Batch(shared.detach(), real.labels)
        values = self._discriminator_loss(real, fake, due)
        self.step("discriminator", values["loss"])
        self.objective.after_discriminator_step(self.discriminator)
        return values

    def _update_generator(self, real: Batch, shared: Tensor | None) -> dict[str, Tensor]:
        due = self.objective.due("generator", self.clock.generator_steps)
        with frozen(self.discriminator, self.frozen_batch_norm):
            fake = Batch(self.generate(real.labels) if shared is None else shared, real.labels)
            values = self._generator_loss(real, fake, due)
            self.step("generator", values["loss"])
        return values

    def _observe(self, real: Batch, values: dict[NetworkName, dict[str, Tensor]]) -> None:
        """Tell the schedule both losses, without lazy terms; a paused network is measured, with no gradient."""
        losses = []
        for network in self.networks:
            terms = values.get(network) or self._measure(network, real)
            values.setdefault(network, terms)
            regular = [value for name, value in terms.items() if name in self.objective.regular]
            losses.append(torch.stack(regular).sum().detach())
        averaged = self.trainer.strategy.reduce(torch.stack(losses), reduce_op="mean")
        self.schedule.observe(*averaged.tolist())

    def _measure(self, network: NetworkName, real: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = Batch(self.generate(real.labels), real.labels)
            due = self.objective.regular
            if network == "generator":
                return self._generator_loss(real, fake, due)
            return self._discriminator_loss(real, fake, due)

    def _discriminator_loss(self, real: Batch, fake: Batch, due: Set[str]) -> dict[str, Tensor]:
        return self.objective.discriminator_loss(self.discriminator, real, fake, due, joined=self.joined)

    def _generator_loss(self, real: Batch, fake: Batch, due: Set[str]) -> dict[str, Tensor]:
        joined = self.joined and self.frozen_batch_norm == "batch"
        return self.objective.generator_loss(self.discriminator, real, fake, due, joined=joined)


@contextmanager
def frozen(network: nn.Module, batch_norm: str = "batch") -> Iterator[None]:
    """Take no gradients of the network's parameters; `running` also makes its batch norm use running statistics."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    norms: list[nn.Module] = []
    if batch_norm == "running":
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    for parameter in parameters:
        parameter.requires_grad_(False)
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
        for norm in norms:
            norm.train()
