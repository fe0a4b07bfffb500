"""Real images altered by a step too small to be seen, so that a discriminator takes them for another class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.inspection.layers import class_logits

BLOCK_SIZE = 256  # images at a time
REACH = 2.5  # all steps together reach so many times as far as they may go: Madry et al. 2018, section 5, on MNIST


@dataclass(frozen=True)
class Perturbed:
    """N images before and after; float32 N×C×H×W in the value range, classes int64 N."""

    images: Tensor
    altered: Tensor
    signs: Tensor  # -1, 0, 1: where the first step went
    towards: Tensor  # the class that the step leads to
    before: Tensor  # the class that is recognised in the image
    after: Tensor  # and in the altered image

    def shares(self, labels: Tensor) -> dict[str, Any]:
        """Return how often the true class (int64 N) was recognised before and after, and the other class after."""
        return {
            "num_images": len(labels),
            "accuracy_before": (self.before == labels).float().mean().item(),
            "accuracy_after": (self.after == labels).float().mean().item(),
            "share_led_to_the_other_class": (self.after == self.towards).float().mean().item(),
        }


def perturb(
    discriminator: nn.Module,
    images: Tensor,
    labels: Tensor,
    value_range: Sequence[float],
    step: float,
    steps: int = 1,
) -> Perturbed:
    """Alter images along the sign of the gradient towards another class.

    One step is the fast gradient sign of Goodfellow et al. 2015, "Explaining and Harnessing Adversarial Examples",
    section 4, aimed at a class t: x' = clamp(x - ε · sign(∇ₓ CE(x, t))), where t is the likeliest class but the true
    one. Several are those of Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks",
    equation 2: each of 2.5 ε / steps, and every value is kept within ε of the original. The result is rounded to 8
    bits, as in a stored picture, before the discriminator classifies it.

    Args:
        discriminator: has a class head; in evaluation mode.
        images: float32, N×C×H×W in the value range.
        labels: their true classes, int64 N.
        value_range: the values of black and white.
        step: ε, as a share of the value range, above 0 and at most 1.
        steps: how many.
    """
    parts = [
        _perturb(discriminator, *block, value_range, step, steps)
        for block in zip(torch.split(images, BLOCK_SIZE), torch.split(labels, BLOCK_SIZE), strict=True)
    ]
    names = ("altered", "signs", "towards", "before", "after")
    return Perturbed(images, *(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _perturb(
    discriminator: nn.Module, images: Tensor, labels: Tensor, value_range: Sequence[float], step: float, steps: int
) -> Perturbed:
    low, high = value_range
    bound = step * (high - low)
    single = bound if steps == 1 else min(bound, REACH * bound / steps)
    with torch.no_grad():
        logits = _logits(discriminator, images)
    towards = logits.scatter(1, labels[:, None], -torch.inf).argmax(1)
    altered, first = images, torch.zeros_like(images)
    for number in range(steps):
        signs = -_loss_gradient(discriminator, altered, towards).sign()
        first = signs if number == 0 else first
        moved = images + (altered + single * signs - images).clamp(-bound, bound)
        altered = moved.clamp(low, high)
    altered = ((altered - low) / (high - low) * 255).round() / 255 * (high - low) + low
    with torch.no_grad():
        after = _logits(discriminator, altered).argmax(1)
    return Perturbed(images, altered, first, towards, logits.argmax(1), after)


def _loss_gradient(discriminator: nn.Module, images: Tensor, towards: Tensor) -> Tensor:
    """Return the gradient of the class loss towards a class with respect to each image."""
    leaf = images.detach().requires_grad_(True)
    loss = F.cross_entropy(_logits(discriminator, leaf), towards, reduction="sum")
    gradient: Tensor = torch.autograd.grad(loss, leaf)[0]
    return gradient


def _logits(discriminator: nn.Module, images: Tensor) -> Tensor:
    logits = class_logits(discriminator, images)
    assert logits is not None, "asked of a discriminator with a class head only"
    return logits
