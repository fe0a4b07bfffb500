"""A training loop as lab reports write it: plain PyTorch, nothing of this framework but the networks' layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from workloads import LATENT_DIM, NUM_CLASSES, Workload, stopwatch

from gan_experiments.models.initialization import NormalInitialization
from gan_experiments.models.layers import PointConvTranspose2d


class Images(Dataset[tuple[Tensor, int]]):
    """Holds uint8 arrays and returns transformed PIL images, as torchvision's FashionMNIST and CIFAR10 do."""

    def __init__(self, path: Path, transform: Callable[[Image.Image], Tensor]) -> None:
        with np.load(path) as data:
            self.images: NDArray[np.uint8] = data["train_images"]
            self.labels: NDArray[np.int64] = data["train_labels"]
        self.transform = transform

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image and its label."""
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def train(workload: Workload, data: Path, plain_layers: bool = False, share_fakes: bool = False) -> None:
    """Train until the stopwatch has seen enough.

    Args:
        workload: what to train.
        data: the npz file.
        plain_layers: use `nn.ConvTranspose2d` in place of this framework's faster layer of the same function.
        share_fakes: make one batch of fakes serve both steps.

    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps: list[Callable[[Image.Image], Tensor] | nn.Module] = [transforms.ToTensor()]
    if workload.signed:
        steps.append(transforms.Normalize([0.5] * workload.channels, [0.5] * workload.channels))
    images = Images(data, transforms.Compose(steps))
    loader = DataLoader(images, batch_size=workload.batch_size, shuffle=True, num_workers=0, drop_last=True)

    generator, discriminator = workload.networks()
    for network in (generator, discriminator):
        NormalInitialization()(network)
        for module in network.modules():
            if plain_layers and isinstance(module, PointConvTranspose2d):
                module.__class__ = nn.ConvTranspose2d  # type: ignore[assignment] # parameters are the same
        network.to(device)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce, cross_entropy = nn.BCEWithLogitsLoss(), nn.CrossEntropyLoss()
    ones = torch.ones(workload.batch_size, device=device)
    zeros = torch.zeros(workload.batch_size, device=device)
    losses_d, losses_g = [], []

    def loss_of(pictures: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        output = discriminator(pictures, labels)
        loss: Tensor = bce(output.scores, target)
        return loss + cross_entropy(output.class_logits, labels) if workload.class_loss else loss

    while True:
        for batch, classes in loader:
            real, labels = batch.to(device), classes.to(device)
            random_labels = torch.randint(0, NUM_CLASSES, (len(real),), device=device)
            optimizer_d.zero_grad()
            fake = generator(torch.randn(len(real), LATENT_DIM, device=device), labels)
            loss_d = loss_of(real, ones, labels) + loss_of(fake.detach(), zeros, random_labels)
            loss_d.backward()  # type: ignore[no-untyped-call]
            optimizer_d.step()

            optimizer_g.zero_grad()
            if not share_fakes:
                fake = generator(torch.randn(len(real), LATENT_DIM, device=device), labels)
            random_labels = torch.randint(0, NUM_CLASSES, (len(real),), device=device)
            loss_g = loss_of(fake, ones, random_labels)
            loss_g.backward()  # type: ignore[no-untyped-call]
            optimizer_g.step()

            losses_d.append(loss_d.item())
            losses_g.append(loss_g.item())
            if not stopwatch.tick():
                return
