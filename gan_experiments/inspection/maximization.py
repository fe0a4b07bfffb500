"""Images made to maximise an output of a network: activation maximisation, kept near what images look like."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.inspection.layers import channel_means, class_logits
from gan_experiments.rng import stream_seed

BLOCK_SIZE = 128  # images at a time
LEARNING_RATE = 0.05  # of Adam, on the coefficients of the spectrum
NOISE = 0.05  # standard deviation of the first coefficients
JITTER = 2 / 28  # largest shift, as a share of a side
TURN, ZOOM = 0.1, 0.1  # largest rotation in radians, largest change of size
VARIATION = 0.1  # weight of total variation beside that of the distance
EDGE = 0.02  # the mean image keeps so far from black and white, where a sigmoid has no slope
SMALLEST_SPREAD = 1e-6  # an output that never changes is not enlarged without end


@dataclass(frozen=True)
class Maximization:
    """How hard to search.

    Args:
        iterations: steps of Adam, 1 or more.
        regularization: λ, of the mean squared distance from the mean image, 0 or more; total variation, a mean over
            pixels, weighs a tenth of it.
        seed: of the first noise and the shifts.
    """

    iterations: int
    regularization: float
    seed: int


def maximize_classes(
    discriminator: nn.Module,
    real: Tensor,
    value_range: Sequence[float],
    labels: Sequence[int],
    per_class: int,
    settings: Maximization,
) -> tuple[Tensor, Tensor]:
    """Make images that maximise the logits of these classes; return them, class by class, and the classes asked for."""
    asked = torch.tensor(labels, device=real.device).repeat_interleave(per_class)
    logits = partial(class_logits, discriminator)
    return maximize(logits, asked, real, value_range, settings, "class images"), asked


def maximize_channels(
    network: nn.Module, layer: str, real: Tensor, value_range: Sequence[float], most: int, settings: Maximization
) -> Tensor:
    """Make one image for each of the first `most` channels of a layer, which maximises the channel's mean."""
    means = partial(channel_means, network, layer)
    with torch.no_grad():
        channels = means(real[:1]).shape[1]
    asked = torch.arange(min(channels, most), device=real.device)
    return maximize(means, asked, real, value_range, settings, f"layer {layer}")


def maximize(
    outputs: Callable[[Tensor], Tensor],
    asked: Tensor,
    real: Tensor,
    value_range: Sequence[float],
    settings: Maximization,
    purpose: str,
) -> Tensor:
    """Make images, each of which maximises one output (Erhan et al. 2009, "Visualizing Higher-Layer Features").

    Maximised is a(x) / s - λ · mean((x - m)²) - λ/10 · TV(x), with x in [0, 1]: a, the output; s, its standard
    deviation over the real images, so that λ means the same for every network; m, the mean of the real images of all
    classes together, around which an image is sought (Simonyan et al. 2014, "Deep Inside Convolutional Networks",
    section 2, with the L2 term); TV, the total variation (Mahendran and Vedaldi 2015, "Understanding Deep Image
    Representations by Inverting Them", section 3).

    The image is sigmoid(logit(m) + c), so that it never leaves the range, and c is given by its spectrum with
    coefficients divided by their frequency (Olah et al. 2017, "Feature Visualization"): plain pixels end in noise.
    It is shifted, turned and resized a little, anew at each step, before the network sees it (ibid.). c begins as
    noise, and Adam (rate 0.05) moves it.

    Args:
        outputs: images (N×C×H×W in the value range) to outputs (N×K), of a network in evaluation mode.
        asked: which output each image is to maximise, int64 N; like `real`, on the network's device.
        real: real images in the value range.
        value_range: the values of black and white; the result (float32, N×C×H×W) lies between.
        settings: iterations, λ and the seed.
        purpose: names the random stream.
    """
    low, high = value_range
    mean = ((real - low) / (high - low)).mean(0)
    with torch.no_grad():
        spread = torch.cat([outputs(block) for block in torch.split(real, BLOCK_SIZE)]).std(0)
    spread = spread.clamp_min(SMALLEST_SPREAD)[asked]
    random = torch.Generator().manual_seed(stream_seed(purpose, settings.seed))

    def outputs_of_unit_range(images: Tensor) -> Tensor:
        return outputs(low + (high - low) * images)

    images = [
        _ascend(outputs_of_unit_range, *block, mean, settings, random)
        for block in zip(torch.split(asked, BLOCK_SIZE), torch.split(spread, BLOCK_SIZE), strict=True)
    ]
    return low + (high - low) * torch.cat(images)


def _ascend(
    outputs: Callable[[Tensor], Tensor],
    asked: Tensor,
    spread: Tensor,
    mean: Tensor,
    settings: Maximization,
    random: torch.Generator,
) -> Tensor:
    """Make as many images at once as there are outputs asked for; all in [0, 1], what `outputs` is given too."""
    channels, height, width = mean.shape
    base = torch.logit(mean.clamp(EDGE, 1 - EDGE))
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = (rows.square() + columns.square()).sqrt().clamp_min(1 / max(height, width))
    scale = (math.sqrt(height * width) / frequency).to(mean.device)
    shape = (len(asked), channels, *frequency.shape, 2)  # real and imaginary parts
    coefficients = (NOISE * torch.randn(shape, generator=random)).to(mean.device).requires_grad_(True)

    def transform() -> Tensor:
        return torch.sigmoid(base + torch.fft.irfft2(torch.view_as_complex(coefficients) * scale, s=(height, width)))

    optimizer = torch.optim.Adam([coefficients], lr=LEARNING_RATE)
    for _ in range(settings.iterations):
        images = transform()
        gain = outputs(_shaken(images, random)).gather(1, asked[:, None]).squeeze(1) / spread
        distance = (images - mean).square().mean((1, 2, 3))
        loss = -gain + settings.regularization * (distance + VARIATION * total_variation(images))
        optimizer.zero_grad()
        torch.autograd.backward(loss.sum(), inputs=[coefficients])
        optimizer.step()
    return transform().detach()


def total_variation(images: Tensor) -> Tensor:
    """Return the mean difference of neighbours down plus that across, for each of N images (N×C×H×W)."""
    return images.diff(dim=-2).abs().mean((1, 2, 3)) + images.diff(dim=-1).abs().mean((1, 2, 3))


def _shaken(images: Tensor, random: torch.Generator) -> Tensor:
    """Shift, turn and resize each image a little; its border goes on outside."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random) * 2 - 1

    count = len(images)
    angle, size = TURN * uniform(count), 1 + ZOOM * uniform(count)
    shift = 2 * JITTER * uniform(count, 2)  # a side is 2 long
    across = torch.stack([size * angle.cos(), -size * angle.sin(), shift[:, 0]], 1)
    down = torch.stack([size * angle.sin(), size * angle.cos(), shift[:, 1]], 1)
    matrices = torch.stack([across, down], 1).to(images.device)
    places = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="border", align_corners=False)
