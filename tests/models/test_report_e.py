"""Report E's networks against the numbers of its table."""

from typing import Any

import pytest
import torch
from torch import nn

from gan_experiments.models.report_e import Discriminator, Generator
from gan_experiments.types import UserError


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def sides_through(layers: nn.Module, inputs: torch.Tensor) -> list[int]:
    sides = [inputs.shape[-1]]
    for layer in layers.children():
        inputs = layer(inputs)
        assert inputs.shape[2] == inputs.shape[3]
        sides.append(inputs.shape[3])
    return sides


def test_parameter_counts() -> None:
    generator = Generator()
    discriminator: Any = Discriminator()
    assert count(generator) == 574_253
    assert count(discriminator.layers) == 484_148
    assert count(discriminator.score_head) == 897
    assert count(discriminator.class_head) == 8_970
    assert count(discriminator) == 484_148 + 897 + 8_970


def test_sizes_on_the_way() -> None:
    assert sides_through(Generator().layers, torch.randn(2, 100, 1, 1)) == [1, 2, 4, 7, 14, 28]
    assert sides_through(Discriminator().layers, torch.randn(2, 1, 28, 28)) == [28, 14, 7, 4, 2]


@pytest.mark.parametrize("batch", [1, 3])
def test_shapes_and_range(batch: int) -> None:
    generator, discriminator = (
        Generator(latent_dim=7, channels=3).eval(),
        Discriminator(channels=3, num_classes=4).eval(),
    )
    labels = torch.zeros(batch, dtype=torch.int64)
    images = generator(10 * torch.randn(batch, 7), labels)
    assert images.shape == (batch, 3, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1
    output = discriminator(images, labels)
    assert output.scores.shape == (batch,)
    assert output.class_logits.shape == (batch, 4)
    assert output.features.shape == (batch, 896)


def test_both_heads_are_linear_in_the_features() -> None:
    discriminator: Any = Discriminator().eval()
    output = discriminator(torch.rand(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))
    head = discriminator.score_head
    expected = output.features @ head.weight.flatten() + head.bias
    torch.testing.assert_close(output.scores, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(output.class_logits, discriminator.class_head(output.features))


def test_no_activation_bounds_the_features_from_below() -> None:
    torch.manual_seed(0)
    features = Discriminator()(torch.rand(8, 1, 28, 28), torch.zeros(8, dtype=torch.int64)).features
    assert -features.min().item() == pytest.approx(features.max().item(), rel=0.5)


def test_labels_are_ignored() -> None:
    generator, discriminator = Generator().eval(), Discriminator().eval()
    latents, first, second = torch.randn(2, 100), torch.tensor([0, 1]), torch.tensor([9, 0])
    assert torch.equal(generator(latents, first), generator(latents, second))
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(discriminator(images, first).scores, discriminator(images, second).scores)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(UserError, match=r"model\.generator\.image_size is 32.*28×28.*model=dcgan_class_head"):
        Generator(image_size=32)
    with pytest.raises(UserError, match=r"model\.discriminator\.image_size is 64"):
        Discriminator(image_size=64)
