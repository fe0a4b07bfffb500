"""The picture of samples that resemble training images."""

from pathlib import Path

import torch
from torch import Tensor, nn
from toys import images, protocol

from gan_experiments.metrics.memorization import Memorization
from gan_experiments.metrics.nearest import nearest_pairs


class SometimesCopies(nn.Module):
    """Noise, but a training image wherever the first latent is large."""

    def __init__(self) -> None:
        super().__init__()
        self.known = nn.Parameter(images(300).read(torch.arange(300)).float() / 127.5 - 1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        noise = latents[:, :1, None, None].cos() * torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
        copies = self.known[(latents[:, 1].abs() * 100).long() % 300]
        return torch.where(latents[:, :1, None, None] > 1.5, copies, noise)


def test_copies_stand_beside_what_they_copy(tmp_path: Path) -> None:
    samples, trained_on = nearest_pairs(
        SometimesCopies(), protocol({"memorization": Memorization()}, tmp_path), seed=0, count=10
    )

    assert samples.shape == trained_on.shape == (10, 1, 8, 8)
    assert samples.dtype == trained_on.dtype == torch.uint8
    assert torch.equal(samples, trained_on)


def test_the_nearest_come_first(tmp_path: Path) -> None:
    given = protocol({"memorization": Memorization()}, tmp_path, num_samples=100)
    samples, trained_on = nearest_pairs(SometimesCopies(), given, seed=0, count=100)

    assert len(samples) == 100
    different = (samples != trained_on).flatten(1).any(1).long()
    assert 0 < different.sum() < 100
    assert torch.equal(different, different.sort().values)
