"""How labels enter a network, as objects: one family for generators, one for discriminators.

The constructor takes the classes; `attach`, which the network calls once while it is built, takes that network's sizes
and creates the parameters that depend on them. So a yaml never repeats a size that the network knows.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.types import UserError


class _KnowsClasses(nn.Module):
    def __init__(self, num_classes: PositiveInt) -> None:
        super().__init__()
        self.num_classes = num_classes

    def one_hot(self, labels: Tensor, like: Tensor) -> Tensor:
        # Not F.one_hot, which waits for the labels to check them.
        return (labels[:, None] == torch.arange(self.num_classes, device=labels.device)).to(like.dtype)


class LatentCondition(nn.Module):
    """How labels enter a generator: through the vector that its first layer sees. This base lets them not enter."""

    def attach(self, latent_dim: int) -> int:
        """Create the parameters for latents of `latent_dim` and return the size of the network's input vector."""
        return latent_dim

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Map latents (N×latent_dim) and labels (int64, N) to the network's input vector, N×input_dim."""
        return latents


class OneHotLatent(_KnowsClasses, LatentCondition):
    """A one-hot code takes the place of the latent's first `num_classes` entries, which keeps its size."""

    def attach(self, latent_dim: int) -> int:
        """Keep the size; a UserError where the code would leave no entry of the latent to chance."""
        if latent_dim <= self.num_classes:
            raise UserError(
                f"model.latent_dim is {latent_dim}, but a one-hot code takes the place of its first {self.num_classes} "
                f"entries: write model.latent_dim of at least {self.num_classes + 1}, or use ConcatenateOneHot."
            )
        return latent_dim

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([self.one_hot(labels, latents), latents[:, self.num_classes :]], dim=1)


class ConcatenateOneHot(_KnowsClasses, LatentCondition):
    """A one-hot code is appended to the latent: Mirza & Osindero 2014, "Conditional Generative Adversarial Nets"."""

    def attach(self, latent_dim: int) -> int:
        return latent_dim + self.num_classes

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([latents, self.one_hot(labels, latents)], dim=1)


class ConcatenateEmbedding(_KnowsClasses, LatentCondition):
    """A learned vector of the class is appended to the latent. It starts as N(0, 1), the scale of the latent."""

    def __init__(self, num_classes: PositiveInt, embedding_dim: PositiveInt = 50) -> None:
        super().__init__(num_classes)
        self.embedding = nn.Embedding(num_classes, embedding_dim)

    def attach(self, latent_dim: int) -> int:
        return latent_dim + self.embedding.embedding_dim

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([latents, self.embedding(labels)], dim=1)


class ImageCondition(nn.Module):
    """How labels enter a discriminator: as further channels of the image or in the score. This base does neither."""

    def attach(self, channels: int, image_size: int, num_features: int) -> int:
        """Create the parameters and return the number of channels that the network's first layer takes.

        `num_features` is the number of those that the score is read from.
        """
        return channels

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Map images (N×C×H×W) and labels (int64, N) to what the first layer sees."""
        return images

    def score(self, scores: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Map the scores (N) of features (N×F) to those under the labels, N."""
        return scores


class ConcatenateOneHotMaps(_KnowsClasses, ImageCondition):
    """A channel for each class, 1 everywhere for the image's own and 0 for the others (Mirza & Osindero 2014)."""

    def attach(self, channels: int, image_size: int, num_features: int) -> int:
        return channels + self.num_classes

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        codes = self.one_hot(labels, images)[:, :, None, None]
        return torch.cat([images, codes.expand(-1, -1, *images.shape[2:])], dim=1)


class ConcatenateEmbeddingMap(_KnowsClasses, ImageCondition):
    """One further channel: a learned picture of the class. It starts as N(0, 1), about the scale of an image."""

    def attach(self, channels: int, image_size: int, num_features: int) -> int:
        self.embedding = nn.Embedding(self.num_classes, image_size**2)
        return channels + 1

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([images, self.embedding(labels).view_as(images[:, :1])], dim=1)


class Projection(_KnowsClasses, ImageCondition):
    """Adds <embedding(label), features> to the score.

    Miyato & Koyama 2018, "cGANs with Projection Discriminator", figure 1 (d).
    """

    def attach(self, channels: int, image_size: int, num_features: int) -> int:
        # A linear layer's row for each class, not nn.Embedding: initialisation and spectral normalisation then treat
        # it as they treat the score's own weights, beside which it stands.
        self.embedding = nn.Linear(num_features, self.num_classes, bias=False)
        return channels

    def score(self, scores: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        return scores + (F.embedding(labels, self.embedding.weight) * features).sum(dim=1)
