"""Losses or gradients that explode."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import PositiveFloat

from gan_experiments.callbacks.alarms.base import Alarm, AlarmInputs


@dataclass(kw_only=True)
class Divergence(Alarm):
    """A loss or the norm of a network's gradient beyond a limit.

    A loss that is not finite stops every run; with `rollback` it is rolled back as for other alarms.

    Args:
        loss_limit: largest absolute value of a loss.
        gradient_limit: largest norm of a network's last gradient.
    """

    loss_limit: PositiveFloat = 1e3
    gradient_limit: PositiveFloat = 1e4

    covers_divergence: ClassVar[bool] = True

    def check(self, inputs: AlarmInputs) -> str:
        for name, value in inputs.losses.items():
            if abs(value) > self.loss_limit:
                return f"{name} is {value:.3g}: training diverges. Lower the learning rates, or add a penalty."
        for name in inputs.module.networks:
            gradients = [p.grad for p in inputs.module.get_submodule(name).parameters() if p.grad is not None]
            if gradients:
                norm = float(torch.nn.utils.get_total_norm(gradients))
                if not norm <= self.gradient_limit:
                    return (
                        f"the gradient of the {name} has the norm {norm:.3g}: training diverges. Clip it "
                        f"(optimizer.gradient_clip.{name}=1), or lower the learning rates."
                    )
        return ""
