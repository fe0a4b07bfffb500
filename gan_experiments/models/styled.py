"""Generators with styles: latents become styles, and styles, one for each layer, become images."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

MEAN_STYLE_DECAY = 0.998  # of the running mean for each batch, as in the training code of Karras et al. 2020


class StyledGenerator(nn.Module, ABC):
    """The base of generators with styles: Karras et al. 2019, "A Style-Based Generator Architecture for GANs".

    `mapping` makes styles of latents, `synthesis` images of styles, `forward` is the second of the first. In training
    mode `mapping` mixes styles and follows their mean; in evaluation mode both are functions of their input alone.

    Args:
        style_dim: size of a style.
        num_styles: number of layers that take a style.
        mixing: share of the images whose styles, from a random layer on, are those of another latent (section 3.1).
            Here that is the latent of the image before it in the batch.
    """

    def __init__(self, style_dim: int, num_styles: int, mixing: float) -> None:
        super().__init__()
        self.num_styles = num_styles
        self.mixing = mixing
        self.register_buffer("mean_style", torch.zeros(style_dim))
        self.mean_style: Tensor

    @abstractmethod
    def style(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N×latent_dim) and labels (N) to styles, N×style_dim."""

    @abstractmethod
    def synthesis(self, styles: Tensor) -> Tensor:
        """Map styles (N×num_styles×style_dim) to images, N×C×H×W."""

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N×latent_dim) and labels (N) to a style for each layer, N×num_styles×style_dim."""
        style = self.style(latents, labels)
        styles = style[:, None].expand(-1, self.num_styles, -1)
        if not self.training:
            return styles
        with torch.no_grad():
            self.mean_style.lerp_(style.float().mean(0), 1 - MEAN_STYLE_DECAY)
        if self.mixing == 0:
            return styles
        count, device = len(latents), latents.device
        first = torch.randint(1, self.num_styles, (count, 1), device=device)
        mixed = torch.rand(count, 1, device=device) < self.mixing
        layer = torch.arange(self.num_styles, device=device)
        other = self.style(latents.roll(1, 0), labels)[:, None]
        return torch.where((mixed & (layer >= first))[:, :, None], other, styles)

    def truncate(self, styles: Tensor, psi: float) -> Tensor:
        """Return mean + psi·(style - mean): nearer to the mean for a smaller psi (Karras et al. 2019, appendix B)."""
        return torch.lerp(self.mean_style.expand_as(styles), styles, psi)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.synthesis(self.mapping(latents, labels))


class Truncated(nn.Module):
    """A generator with styles whose styles are truncated; `psi` as in `StyledGenerator.truncate`."""

    def __init__(self, generator: StyledGenerator, psi: float) -> None:
        super().__init__()
        self.generator = generator
        self.psi = psi

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        styles = self.generator.mapping(latents, labels)
        return self.generator.synthesis(self.generator.truncate(styles, self.psi))
