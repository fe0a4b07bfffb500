import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gan_experiments.augment.operations import (
    ColorJitter,
    HorizontalFlip,
    RandomCrop,
    RandomResizedCrop,
    _luma,
    _turn_hue,
)

ALL: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "flip": HorizontalFlip(0.5),
    "crop": RandomCrop(2),
    "crop_zeros": RandomCrop(2, "zeros"),
    "resized_crop": RandomResizedCrop(),
    "jitter": ColorJitter(0.2, 0.2, 0.2, 0.1),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def repeated(num_images: int, channels: int = 3, size: int = 8) -> Tensor:
    """One random image, repeated."""
    return torch.rand(1, channels, size, size, generator=generator(9)).repeat(num_images, 1, 1, 1)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_sample_has_its_own_draw(name: str, channels: int) -> None:
    images = repeated(16, channels)
    before, stream = images.clone(), torch.get_rng_state()
    result = ALL[name](images, generator())
    assert result.shape == images.shape
    assert result.dtype == torch.float32
    assert 0 <= result.min() <= result.max() <= 1
    assert not result.equal(result[:1].expand_as(result)), "the batch was changed as a whole"
    assert ALL[name](images, generator()).equal(result)
    assert not ALL[name](images, generator(1)).equal(result)
    assert images.equal(before), "the input was changed in place"
    assert torch.get_rng_state().equal(stream), "the default stream was used"


def test_a_sample_is_flipped_or_left_and_keeps_its_mean_exactly() -> None:
    images = torch.rand(400, 3, 4, 4, generator=generator(1))
    result = HorizontalFlip(0.25)(images, generator())
    flipped = (result == images.flip(-1)).flatten(1).all(1)
    assert (flipped | (result == images).flatten(1).all(1)).all()
    # Binomial(400, 0.25): standard deviation 0.0217, five of them allowed.
    assert abs(flipped.float().mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 400)
    assert result.sort(-1).values.equal(images.sort(-1).values)
    assert HorizontalFlip(1.0)(images, generator()).equal(images.flip(-1))
    assert HorizontalFlip(0.0)(images, generator()).equal(images)


@pytest.mark.parametrize("fill", ["reflect", "zeros"])
def test_crop_shifts_by_whole_pixels(fill: str) -> None:
    images = torch.arange(1, 26.0).view(1, 1, 5, 5).repeat(200, 1, 1, 1) / 25
    result = RandomCrop(1, "reflect" if fill == "reflect" else "zeros")(images, generator())
    padded = torch.nn.functional.pad(images[:1], (1, 1, 1, 1), mode="reflect" if fill == "reflect" else "constant")
    expected = {tuple(padded[0, 0, y : y + 5, x : x + 5].flatten().tolist()) for y in range(3) for x in range(3)}
    assert {tuple(image.flatten().tolist()) for image in result} == expected


def test_resized_crop_enlarges_a_part_of_the_stated_area() -> None:
    # On a ramp from left to right, the range of values in a row is the relative width of the rectangle.
    size = 64
    ramp = ((torch.arange(size) + 0.5) / size).expand(500, 1, size, size)
    across = RandomResizedCrop()(ramp, generator())
    down = RandomResizedCrop()(ramp.transpose(2, 3), generator())
    to_width = size / (size - 1)
    width = (across[:, 0, 0, -1] - across[:, 0, 0, 0]) * to_width
    height = (down[:, 0, -1, 0] - down[:, 0, 0, 0]) * to_width
    area = width * height
    # Samples within half a pixel of the border repeat it: 0.5 / 64 × 0.3 on each side.
    assert 0.69 < area.min() < 0.72
    assert 0.97 < area.max() < 1 + 1e-4
    assert 0.74 < (width / height).min() < 0.78
    assert 1.28 < (width / height).max() < 1.35
    assert RandomResizedCrop((1.0, 1.0), (1.0, 1.0))(ramp, generator()).allclose(ramp, atol=1e-6)


def test_jitter_keeps_the_mean_on_average() -> None:
    images = 0.4 + 0.2 * torch.rand(4000, 3, 4, 4, generator=generator(2))  # far from 0 and 1: nothing is clamped
    result = ColorJitter(0.2, 0.2, 0.2, 0.02)(images, generator())
    # Brightness has factor 1 ± 0.2 uniform, standard deviation 0.115, on a mean of 0.5: 0.0009 for 4,000 images.
    # The other three keep the image's luma. Five deviations are allowed.
    assert abs(_luma(result).mean() - _luma(images).mean()) < 5 * 0.5 * 0.2 / math.sqrt(3) / math.sqrt(4000)


def test_each_part_of_jitter_keeps_what_it_should() -> None:
    images = 0.4 + 0.2 * torch.rand(50, 3, 4, 4, generator=generator(2))
    contrast = ColorJitter(contrast=0.5)(images, generator())
    assert _luma(contrast).mean((2, 3)).allclose(_luma(images).mean((2, 3)), atol=1e-6)
    for keeps_luma in (ColorJitter(saturation=0.5), ColorJitter(hue=0.1)):
        result = keeps_luma(images, generator())
        assert not result.allclose(images, atol=1e-3)
        assert _luma(result).allclose(_luma(images), atol=1e-4)
    grey = images[:, :1]
    assert ColorJitter(saturation=0.5, hue=0.5)(grey, generator()).equal(grey)
    grey_in_colour = grey.repeat(1, 3, 1, 1)
    assert ColorJitter(saturation=0.5, hue=0.5)(grey_in_colour, generator()).allclose(grey_in_colour, atol=1e-4)
    assert ColorJitter()(images, generator()).allclose(images, atol=1e-6)


def test_hue_turns_the_chroma_plane() -> None:
    images = torch.rand(5, 3, 4, 4, generator=generator(3))
    quarter, half = torch.full((5, 1, 1, 1), math.pi / 2), torch.full((5, 1, 1, 1), math.pi)
    # Half a turn mirrors every colour at the grey of its own luma.
    assert _turn_hue(images, half).allclose(2 * _luma(images) - images, atol=1e-5)
    assert _turn_hue(_turn_hue(images, quarter), quarter).allclose(_turn_hue(images, half), atol=1e-5)
    assert _turn_hue(_turn_hue(images, quarter), -quarter).allclose(images, atol=1e-5)


def test_jitter_clamps() -> None:
    result = ColorJitter(brightness=0.9)(torch.ones(50, 1, 2, 2), generator())
    assert result.max() == 1
    assert result.min() > 0.1 - 1e-6
