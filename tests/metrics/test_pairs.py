"""The picture of samples that resemble training images."""

from pathlib import Path

import torch
from torch import Tensor, nn
from toys import images, protocol

from gan_experiments.metrics.evaluate import evaluate
from gan_experiments.metrics.memorization import Memorization


class SometimesCopies(nn.Module):
    """Noise, but a training image wherever the first latent is large."""

    def __init__(self) -> None:
        super().__init__()
        self.known = nn.Parameter(images(300).read(torch.arange(300)).float() / 127.5 - 1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        noise = latents[:, :1, None, None].cos() * torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
        copies = self.known[(latents[:, 1].abs() * 100).long() % 300]
        return torch.where(latents[:, :1, None, None] > 1.5, copies, noise)


def nearest(directory: Path, num_samples: int) -> tuple[Tensor, Tensor]:
    """The pairs of the picture: its rows are samples and training images in turn."""
    measured = protocol({"memorization": Memorization()}, directory, num_samples=num_samples)
    pixels, columns = evaluate(SometimesCopies(), measured, seed=0, pictures=True).pictures["nearest"]
    rows = torch.split(pixels, columns)
    return torch.cat(rows[::2]), torch.cat(rows[1::2])


def test_copies_stand_above_what_they_copy(tmp_path: Path) -> None:
    samples, training = nearest(tmp_path, num_samples=1000)

    assert samples.shape == training.shape == (20, 1, 8, 8)
    assert samples.dtype == training.dtype == torch.uint8
    assert torch.equal(samples, training)


def test_the_nearest_come_first(tmp_path: Path) -> None:
    samples, training = nearest(tmp_path, num_samples=100)

    assert len(samples) == 20
    different = (samples != training).flatten(1).any(1).long()
    assert 0 < different.sum() < 20
    assert torch.equal(different, different.sort().values)
