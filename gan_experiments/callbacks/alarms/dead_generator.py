"""A generator whose images no longer depend on its latents."""

from dataclasses import dataclass

import torch
from pydantic import PositiveFloat

from gan_experiments.callbacks.alarms.base import Alarm, AlarmInputs
from gan_experiments.engine.gan import GAN
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import generate

NUM_LATENTS = 32
MESSAGE = (
    "the generator makes the same image whatever the latent is: it is dead. Start anew with lower learning rates, or "
    "go back to an earlier checkpoint (alarms.dead_generator.action=rollback)."
)


@dataclass(kw_only=True)
class DeadGenerator(Alarm):
    """All latents give one image: pixels vary less over 32 latents (of one class) than by a share of their range.

    Args:
        below: limit of the mean standard deviation of a pixel, as a share of the range of values that occur.
        every_kimg: how often it is checked, thousands of images.
    """

    below: PositiveFloat = 0.005
    every_kimg: PositiveFloat = 25.0

    def check(self, inputs: AlarmInputs) -> str:
        gan = inputs.module
        if not isinstance(gan, GAN):
            return ""
        turn = inputs.kimg // self.every_kimg
        if turn == self.state.get("turn", 0.0):
            return MESSAGE if self.state.get("dead") else ""
        self.state["turn"] = turn
        stream = torch.Generator().manual_seed(stream_seed("dead generator"))
        latents = gan.latents.sample(NUM_LATENTS, stream)
        images = generate(gan.generator, latents, torch.zeros(NUM_LATENTS, dtype=torch.int64))
        spread = float(images.max() - images.min())
        variation = float(images.std(0).mean()) / spread if spread > 0 else 0.0
        self.state["dead"] = float(variation < self.below)
        return MESSAGE if self.state["dead"] else ""
