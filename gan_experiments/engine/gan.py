"""The alternating update of a generator and a discriminator, by manual optimisation."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, get_args

import torch
from pydantic import NonNegativeInt
from torch import nn

from gan_experiments.augment.discriminator import DiscriminatorAugment
from gan_experiments.engine.ema import EMA
from gan_experiments.engine.module import MemoryFormat, TrainingModule
from gan_experiments.engine.optimization import NetworkOptimizer
from gan_experiments.engine.schedules.base import Schedule
from gan_experiments.engine.update import Update
from gan_experiments.losses.objective import Objective
from gan_experiments.models.latents import Latents
from gan_experiments.types import Batch, NetworkName


class GAN(TrainingModule):
    """A generator, a discriminator, and what trains them.

    Args not listed here are those of `TrainingModule` and `Update`, whose `fake_labels` is called `labels`.

    Args:
        ema: makes the average of the generator that is sampled from, or None; None trains without one.
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
        optimizers: Mapping[NetworkName, NetworkOptimizer],
        batch_size: int,
        latents: Latents,
        ema: Callable[[nn.Module], EMA | None] | None = None,
        augment: DiscriminatorAugment | None = None,
        fakes: Literal["fresh", "shared"] = "fresh",
        labels: Literal["batch", "uniform", "data"] = "batch",
        num_classes: NonNegativeInt = 0,
        frozen_batch_norm: Literal["batch", "running"] = "batch",
        discriminator_pass: Literal["separate", "joined"] = "separate",
        memory_format: MemoryFormat = "contiguous",
        compile: bool = False,
    ) -> None:
        super().__init__(discriminator, optimizers, batch_size, memory_format)
        self.generator = generator.to(memory_format=self.memory_format)
        self.ema = None if ema is None else ema(self.generator)
        self.objective = objective
        self.augment = augment
        self.schedule = schedule
        self.latents = latents
        self.update = Update(
            generator=self.generator,
            discriminator=self.discriminator,
            objective=objective,
            latents=latents,
            optimizers=optimizers,
            augment=augment,
            fakes=fakes,
            fake_labels=labels,
            num_classes=num_classes,
            frozen_batch_norm=frozen_batch_norm,
            discriminator_pass=discriminator_pass,
        )
        for name, optimizer in optimizers.items():
            optimizer.lazy_ratio = objective.lazy_ratio(name)
        for term in objective.terms.values():
            term.check(generator, discriminator)
        if compile:
            self.generator.compile()
            if not objective.double_backward:
                self.discriminator.compile()

    @property
    def sampler(self) -> nn.Module:
        """The generator that metrics, grids and exports use: the averaged one where there is one."""
        return self.ema.network if self.ema is not None else self.generator

    @property
    def adversarial(self) -> frozenset[str]:
        return self.objective.adversarial

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Make the updates that the schedule plans for this iteration."""
        images, labels = self.formatted(batch)
        progress = self.clock.progress(self.batches_per_epoch)
        updates = self.schedule.plan(progress)
        networks = [name for name in self.networks if getattr(updates, name)]
        due = self.update.prepare(networks, progress)
        values = self.update(networks, due)(images, labels)
        self.clock.advance(updates, self.batch_size)
        if updates.generator and self.ema is not None:
            self.ema.update(self.generator, self.batch_size, self.clock.images_seen)
        every = self.schedule.measure_every
        if every is not None and self.clock.iterations % every == 0:
            for name in self.networks:  # a paused network is measured, with no gradient
                if name not in networks:
                    values |= self.update.measure(name, images, labels)
            # Lazy terms are left out: the sum of the others is comparable from step to step.
            regular = [name for name in self.objective.terms if name in self.objective.regular]
            losses = [
                torch.stack([values[key] for name in regular if (key := f"{network}/{name}") in values]).sum()
                for network in self.networks
            ]
            averaged = self.trainer.strategy.reduce(torch.stack(losses), reduce_op="mean")
            self.schedule.observe(*averaged.tolist())
        self.means.add(values)
