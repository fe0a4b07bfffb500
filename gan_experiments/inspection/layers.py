"""What a discriminator returns for images, and what its layers hold meanwhile."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from gan_experiments.types import UserError

PARAMETRIZATIONS = "parametrizations"  # where torch keeps those of a layer's weights, such as spectral normalisation


def class_logits(discriminator: nn.Module, images: Tensor) -> Tensor | None:
    """Return the class logits (N×K) of images (N×C×H×W in its value range); None where it has no class head."""
    logits: Tensor | None = discriminator(images, _no_labels(images)).class_logits
    return logits


def layer_names(network: nn.Module) -> list[str]:
    """Return the names of all layers that hold no others, in the order in which they were made."""
    return [name for name, _ in _leaves(network)]


def default_layers(network: nn.Module) -> list[str]:
    """Choose two layers: the middle and the last convolution with more than one channel.

    Of eight convolutions these are the fourth and the eighth. Without convolutions two of its dense layers are
    chosen in the same way, with neither the first layer alone; a single candidate stands alone.
    """
    for kind in (nn.modules.conv._ConvNd, nn.Linear):
        names = [name for name, layer in _leaves(network) if isinstance(layer, kind) and _width(layer) > 1]
        if names:
            return list(dict.fromkeys([names[(len(names) - 1) // 2], names[-1]]))
    return layer_names(network)[:1]


def check_layers(network: nn.Module, names: Sequence[str]) -> None:
    """Make sure that the named layers exist.

    Raises:
        UserError: one does not; lists those that do.
    """
    known = layer_names(network)
    for name in names:
        if name not in known:
            raise UserError(f"--layer {name}: the discriminator has no such layer; its layers are: {', '.join(known)}.")


def channel_means(network: nn.Module, name: str, images: Tensor) -> Tensor:
    """Return the output of a layer for images as N×channels: the mean over all places of each channel's map.

    Raises:
        UserError: the network does not use the layer, or its output has no channels.
    """
    caught: list[object] = []

    def keep(_layer: nn.Module, _given: object, output: object) -> None:
        caught.append(output.clone() if isinstance(output, Tensor) else output)  # a next layer may work in place

    handle = network.get_submodule(name).register_forward_hook(keep)
    try:
        network(images, _no_labels(images))
    finally:
        handle.remove()
    if not caught:
        raise UserError(
            f"--layer {name}: the discriminator does not use this layer when it scores images. Name another."
        )
    output = caught[-1]
    if not isinstance(output, Tensor) or output.dim() < 2 or len(output) != len(images):
        raise UserError(f"--layer {name}: the output of this layer has no channels of single images. Name another.")
    return output.flatten(2).mean(2) if output.dim() > 2 else output


def _no_labels(images: Tensor) -> Tensor:
    """Return labels for images without any: zeros."""
    return torch.zeros(len(images), dtype=torch.long, device=images.device)


def _leaves(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in network.named_modules():
        inside = PARAMETRIZATIONS in name.split(".")
        if name and not inside and all(child == PARAMETRIZATIONS for child, _ in layer.named_children()):
            yield name, layer


def _width(layer: nn.Module) -> int:
    return int(getattr(layer, "out_channels", 0) or getattr(layer, "out_features", 0))
