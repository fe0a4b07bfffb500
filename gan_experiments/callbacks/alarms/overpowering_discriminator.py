"""A discriminator that the generator cannot learn from."""

from dataclasses import dataclass

from pydantic import PositiveFloat

from gan_experiments.callbacks.alarms.base import Alarm, AlarmInputs


@dataclass(kw_only=True)
class OverpoweringDiscriminator(Alarm):
    """The discriminator's adversarial loss stays near zero while the generator's is high.

    The limits are for losses on logits such as cross-entropy (a lab report saw 1e-4 against 5 to 9 in this state);
    losses that fall below zero, such as Wasserstein's, say nothing here. It must last: many a healthy run looks
    like this for a while in its first tens of thousands of images.

    Args:
        discriminator_below: limit of the discriminator's loss.
        generator_above: limit of the generator's loss.
        for_kimg: how long both must hold, thousands of images.
    """

    discriminator_below: PositiveFloat = 0.01
    generator_above: float = 4.0
    for_kimg: PositiveFloat = 50.0

    def check(self, inputs: AlarmInputs) -> str:
        discriminator, generator = (inputs.adversarial.get(name) for name in ("discriminator", "generator"))
        if discriminator is None or generator is None:
            return ""
        holds = 0 <= discriminator < self.discriminator_below and generator > self.generator_above
        if not self.has_lasted(holds, inputs.kimg, self.for_kimg):
            return ""
        return (
            f"the discriminator tells real from generated with ease (loss {discriminator:.2g}, the generator's "
            f"{generator:.2g}), so the generator learns nothing. Train the generator more often "
            "(schedule.generator=2), or hold the discriminator back (+loss/term=r1, augment=crop, a lower "
            "optimizer.discriminator.lr)."
        )
