"""Layers that several architectures share."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gan_experiments.types import DiscriminatorOutput, NetworkName, UserError

OutputActivation = Literal["tanh", "sigmoid", "linear"]
Normalization = Literal["batch", "layer", "spectral", "none"]


class SequentialGenerator(nn.Module):
    """A chain of layers from latents (N×latent_dim) to images; labels are ignored."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.layers(latents)
        return images


class SequentialDiscriminator(nn.Module):
    """A chain of layers from images to maps; the flattened maps are the features. Labels are ignored.

    Args:
        layers: the chain.
        score_head: from the maps to N scores in any shape.
        class_head: from the features to class logits; None: none.
    """

    def __init__(self, layers: nn.Sequential, score_head: nn.Module, class_head: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = layers
        self.score_head = score_head
        self.class_head = class_head

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        maps = self.layers(images)
        features, scores = maps.flatten(1), self.score_head(maps).flatten()
        return DiscriminatorOutput(scores, None if self.class_head is None else self.class_head(features), features)


class PointConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution that is one matrix product where its input is a point, N×C or N×C×1×1.

    Parameters, state dict and function (up to rounding) are those of `nn.ConvTranspose2d`, whose own path serves all
    other inputs and settings. A point meets each weight once, so no sums overlap and no columns need unfolding.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map N×C_in×H×W to N×C_out×H'×W'."""
        if input.ndim == 2:
            input = input[:, :, None, None]
        plain = self.groups == 1 and self.padding == self.output_padding == (0, 0) and self.dilation == (1, 1)
        if not plain or output_size is not None or input.shape[1:] != (self.in_channels, 1, 1):
            return super().forward(input, output_size)
        # The product is written in the weight's memory order, so that neither it nor the output has to be copied.
        order = (0, 2, 3, 1) if self.weight.is_contiguous(memory_format=torch.channels_last) else (0, 1, 2, 3)
        weight = self.weight.permute(order)
        points = (input.flatten(1) @ weight.flatten(1)).view(input.shape[0], *weight.shape[1:])
        output = points if order == (0, 1, 2, 3) else points.permute(0, 3, 1, 2)
        return output if self.bias is None else output + self.bias.to(output.dtype)[:, None, None]


def output_activation(name: OutputActivation) -> nn.Module:
    """Return a generator's last activation: into [-1, 1] (`tanh`), into [0, 1] (`sigmoid`), or none (`linear`)."""
    return {"tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), "linear": nn.Identity()}[name]


def batch_normalized(convolution: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module) -> nn.Sequential:
    """Follow a convolution by batch normalisation over its features and an activation."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), activation)


class MinibatchDeviation(nn.Module):
    """Appends a map that holds the standard deviation of features over groups of samples, averaged over features.

    Karras et al. 2018, "Progressive Growing of GANs", section 3: too little variation among generated images shows.
    Groups are samples that follow each other, as many as divide the batch, at most `group`.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        """Map N×C×H×W to N×(C+1)×H×W."""
        count, _, height, width = maps.shape
        size = next(size for size in range(min(self.group, count), 0, -1) if count % size == 0)
        variance = maps.float().reshape(-1, size, *maps.shape[1:]).var(1, correction=0)
        deviation = (variance + 1e-8).sqrt().mean((1, 2, 3)).repeat_interleave(size)
        added = deviation.to(maps.dtype)[:, None, None, None].expand(-1, 1, height, width)
        return torch.cat([maps, added], dim=1)


def normalize_spectrally(network: nn.Module) -> None:
    """Divide the weight of every convolution and linear layer by its largest singular value, in place.

    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", equation 8; one power iteration
    for each pass in training mode.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrizations.spectral_norm(module)


# Batch normalisation with Keras's defaults
batch_norm_1d = partial(nn.BatchNorm1d, eps=1e-3, momentum=0.01)
batch_norm_2d = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


@dataclass(frozen=True)
class GlorotUniform:
    """Convolution and linear weights U(-b, b) with b = √(6 / (fan_in + fan_out)), their biases 0; norms weigh 1 and 0.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
    """

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        """Draw the weights of `network` from torch's default generator, in the order of its modules."""
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if isinstance(module.bias, Tensor):
                    module.bias.zero_()


def require_image_size(network: NetworkName, image_size: int, required: int, report: str, instead: str) -> None:
    """Raise `UserError` for another size than the published one; `instead` names a model for other sizes."""
    if image_size != required:
        raise UserError(
            f"model.{network}.image_size is {image_size}: report {report}'s networks are for {required}×{required} "
            f"images only. Write model={instead} for other sizes."
        )
