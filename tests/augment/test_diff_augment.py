"""DiffAugment against the authors' code, and what stands between images and the discriminator."""

import pytest
import torch
from torch import Tensor

from gan_experiments.augment.diff_augment import Color, Cutout, Translation
from gan_experiments.augment.discriminator import DiscriminatorAugment
from gan_experiments.augment.operations import apply


def chirp(shape: tuple[int, ...], phase: float) -> Tensor:
    n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(0.37 * n + 0.0113 * n**2 + phase).reshape(shape)


IMAGES = chirp((3, 3, 8, 8), 0.3)
DRAWS = 0.5 + 0.499 * chirp((3, 1, 1, 1), 0.9)
HALF = torch.full_like(DRAWS, 0.5)


# DiffAugment_pytorch.py: first values, sum, sum of absolute values, sum of the products with the chirp of phase 0.123.
@pytest.mark.parametrize(
    ("draws", "first", "sums"),
    [
        (
            (DRAWS, HALF, HALF),
            [0.686400334565, 1.020683464842, 1.275276907195],
            (281.17275888553456, 410.1622138654621, 283.1241164026356),
        ),
        (
            (HALF, DRAWS, HALF),
            [0.129404535955, 1.029710574283, 1.455116207849],
            (19.12085147890055, 578.8438096131359, 436.36341063024963),
        ),
        (
            (HALF, HALF, DRAWS),
            [0.40535776709, 0.870305530086, 1.224414489749],
            (19.120851478900555, 519.4460194093876, 398.8889092699391),
        ),
    ],
    ids=["brightness", "saturation", "contrast"],
)
def test_colors_of_the_authors(draws: tuple[Tensor, ...], first: list[float], sums: tuple[float, ...]) -> None:
    check(Color().change(IMAGES, *draws), first, sums)


def test_translation_of_the_authors() -> None:
    rows, columns = torch.tensor([1, -1, 0]), torch.tensor([-1, 0, 1])
    first = [0.0, -0.74571500157, -0.986073083414]
    sums = (14.593489656620976, 299.2784364930912, 18.878548512199522)
    check(Translation().shift(IMAGES, rows, columns), first, sums)


def check(result: Tensor, first: list[float], sums: tuple[float, ...]) -> None:
    assert result.flatten()[:3].tolist() == pytest.approx(first, rel=1e-9)
    found = (result.sum(), result.abs().sum(), (result * chirp((3, 3, 8, 8), 0.123)).sum())
    assert [value.item() for value in found] == pytest.approx(sums, rel=1e-9)


@pytest.mark.parametrize(("side", "cut"), [(28, 14), (32, 16), (48, 24), (64, 32)])
def test_cutout_is_half_a_side_and_may_reach_over_the_border(side: int, cut: int) -> None:
    torch.manual_seed(0)
    removed = Cutout()(torch.ones(200, 1, side, side))[:, 0] == 0
    heights, widths = removed.any(2).sum(1), removed.any(1).sum(1)
    assert (removed.sum((1, 2)) == heights * widths).all()  # a rectangle
    assert (int(heights.max()), int(widths.max())) == (cut, cut)
    assert cut // 2 <= heights.min() < cut


@pytest.mark.parametrize(("side", "limit"), [(28, 4), (32, 4), (48, 6), (64, 8)])
def test_translation_goes_an_eighth_of_a_side(side: int, limit: int) -> None:
    torch.manual_seed(0)
    shifted = Translation()(torch.ones(200, 1, side, side))
    rows = side - (shifted[:, 0] != 0).any(2).sum(1)
    assert (int(rows.min()), int(rows.max())) == (0, limit)


OPERATIONS: dict[str, Color | Translation | Cutout] = {
    "color": Color(),
    "translation": Translation(),
    "cutout": Cutout(),
}


def test_each_image_has_its_own_draws_and_a_gradient() -> None:
    augment = DiscriminatorAugment(OPERATIONS, (-1, 1))
    images = torch.rand(4, 3, 16, 16).requires_grad_()
    torch.manual_seed(0)
    shown = augment(images)
    assert shown.shape == images.shape
    (gradient,) = torch.autograd.grad(shown[0].sum(), images)
    assert gradient[0].abs().sum() > 0
    assert gradient[1:].abs().sum() == 0
    torch.manual_seed(0)
    assert torch.equal(augment(images), shown)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_another_value_range_shows_the_same_images(operation: Color | Translation | Cutout) -> None:
    images = torch.rand(4, 1, 8, 8) * 2 - 1
    torch.manual_seed(0)
    expected = operation(images)
    torch.manual_seed(0)
    torch.testing.assert_close(apply(operation, (images + 1) / 2, (0, 1)) * 2 - 1, expected)
