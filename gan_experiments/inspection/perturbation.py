"""Real images altered by a step too small to be seen, so that a discriminator takes them for another class."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.inspection.layers import class_logits

BLOCK_SIZE = 256  # images at a time
REACH = 2.5  # all steps together reach so many times as far as they may go: Madry et al. 2018, section 5, on MNIST


class Perturbed(NamedTuple):
    """N altered images (float32, N×C×H×W in the value range), and classes (int64, N) before and after."""

    altered: Tensor
    signs: Tensor  # -1, 0, 1: where the first step went
    towards: Tensor  # the class that the step leads to
    before: Tensor  # the class that is recognised in the image
    after: Tensor  # and in the altered image


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
    return Perturbed(*map(torch.cat, zip(*parts, strict=True)))


def _perturb(
    discriminator: nn.Module, images: Tensor, labels: Tensor, value_range: Sequence[float], step: float, steps: int
) -> Perturbed:
    low, high = value_range
    bound = step * (high - low)
    single = bound if steps == 1 else min(bound, REACH * bound / steps)
    with torch.no_grad():
        logits = class_logits(discriminator, images)
    towards = logits.scatter(1, labels[:, None], -torch.inf).argmax(1)
    altered, first = images, torch.zeros_like(images)
    for number in range(steps):
        leaf = altered.detach().requires_grad_(True)
        loss = F.cross_entropy(class_logits(discriminator, leaf), towards, reduction="sum")
        signs = -torch.autograd.grad(loss, leaf)[0].sign()
        first = signs if number == 0 else first
        moved = images + (altered + single * signs - images).clamp(-bound, bound)
        altered = moved.clamp(low, high)
    altered = ((altered - low) / (high - low) * 255).round() / 255 * (high - low) + low
    with torch.no_grad():
        after = class_logits(discriminator, altered).argmax(1)
    return Perturbed(altered, first, towards, logits.argmax(1), after)
