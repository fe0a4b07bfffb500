"""What a discriminator returns for images, and what its layers hold meanwhile."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_experiments.types import UserError

PARAMETRIZATIONS = "parametrizations"  # where torch keeps those of a layer's weights, such as spectral normalisation


def class_logits(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Return the class logits (N×K) of images (N×C×H×W in its value range) by a discriminator with a class head."""
    logits: Tensor | None = discriminator(images, _no_labels(images)).class_logits
    assert logits is not None, "asked of a discriminator with a class head only"
    return logits


def leaf_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return all layers that hold no others by name, in the order in which they were made."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if name
        and PARAMETRIZATIONS not in name.split(".")
        and all(child == PARAMETRIZATIONS for child, _ in layer.named_children())
    }


def default_layers(network: nn.Module) -> list[str]:
    """Choose the middle and the last convolution with more than one channel; without convolutions, dense layers.

    Of eight convolutions these are the fourth and the eighth; without either kind, the first layer of all.
    """
    layers = leaf_layers(network)
    for kind, width in ((nn.modules.conv._ConvNd, "out_channels"), (nn.Linear, "out_features")):
        names = [name for name, layer in layers.items() if isinstance(layer, kind) and getattr(layer, width) > 1]
        if names:
            return list(dict.fromkeys([names[(len(names) - 1) // 2], names[-1]]))
    return list(layers)[:1]


def check_layers(network: nn.Module, names: Sequence[str]) -> None:
    """Raise a UserError that lists the layers where one of the named ones does not exist."""
    known = list(leaf_layers(network))
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
    return torch.zeros(len(images), dtype=torch.long, device=images.device)
