"""The gradient of the scores with respect to images, which the penalties share."""

import torch
from torch import Tensor

from gan_experiments.losses.step import Scored


def score_gradient(scored: Scored) -> Tensor:
    """Return each image's ∇D, N×(C·H·W) in float32, from the pass that other terms read.

    The images must be a leaf (`LossTerm.image_gradient`). Where that pass is of no use, because it ran in a lower
    precision or recorded no graph, another one is made.
    """
    if torch.is_grad_enabled() and not torch.is_autocast_enabled(scored.images.device.type):
        return _gradient(scored.scores, scored.images, create_graph=True)
    return gradient_at(scored, scored.images)


def gradient_at(scored: Scored, images: Tensor) -> Tensor:
    """Return ∇D at other images with the same labels, N×(C·H·W), from a float32 pass of its own.

    Autocast is off: the gradient of a half-precision pass underflows, and its rounding errors would be penalised.
    The graph is kept only where gradients are recorded, so that a penalty can also be measured under `no_grad`.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_()
        return _gradient(scored.score(images).scores, images, create_graph=create_graph)


def _gradient(scores: Tensor, images: Tensor, *, create_graph: bool) -> Tensor:
    # A score depends on its own image (but for batch norm, as in the papers), so the sum's gradient is each score's.
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=create_graph)
    return gradient.flatten(start_dim=1)
