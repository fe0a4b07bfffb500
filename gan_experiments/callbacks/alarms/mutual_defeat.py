"""Two networks that each beat the other's frozen state."""

from dataclasses import dataclass

from pydantic import PositiveFloat

from gan_experiments.callbacks.alarms.base import Alarm, AlarmInputs


@dataclass(kw_only=True)
class MutualDefeat(Alarm):
    """Both adversarial losses are near zero: while one trains, the other stands still and is beaten.

    For losses with a minimum at zero for each network, such as the non-saturating one. It happens where networks take
    turns for long; the newest loss of each counts.

    Args:
        below: limit of both losses.
        for_kimg: how long both must hold, thousands of images.
    """

    below: PositiveFloat = 0.02
    for_kimg: PositiveFloat = 10.0

    def check(self, inputs: AlarmInputs) -> str:
        losses = [inputs.adversarial.get(name) for name in ("discriminator", "generator")]
        holds = all(loss is not None and 0 <= loss < self.below for loss in losses)
        if not self.has_lasted(holds, inputs.kimg, self.for_kimg):
            return ""
        discriminator, generator = losses
        return (
            f"both losses are near zero (discriminator {discriminator:.2g}, generator {generator:.2g}): each network "
            "beats the other's frozen state, and neither learns from the other. Let them take turns at each "
            "iteration: schedule=ratio."
        )
