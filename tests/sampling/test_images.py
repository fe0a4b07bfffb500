from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_experiments.datasets.tensors import to_uint8
from gan_experiments.sampling.images import save_grid


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_every_pixel_value_survives_the_way_through_the_models_range(value_range: tuple[float, float]) -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    low, high = value_range
    values = pixels.float() / 255 * (high - low) + low
    assert torch.equal(to_uint8(values, value_range)[0], pixels)


def test_values_outside_are_clipped_and_counted() -> None:
    pixels, share = to_uint8(torch.tensor([-3.0, 0.0, 0.5, 9.0]), (0, 1))
    assert pixels.tolist() == [0, 0, 128, 255]
    assert share == 0.5


def test_a_grid_shows_each_image_at_its_place(tmp_path: Path) -> None:
    images = torch.zeros(6, 1, 28, 28, dtype=torch.uint8)
    images[4] = 200  # second row, second column of three
    save_grid(images, 3, tmp_path / "grid.png", smallest_side=28)
    with Image.open(tmp_path / "grid.png") as picture:
        grid = np.asarray(picture.convert("L"))
    assert grid.shape == (2 * 30 + 2, 3 * 30 + 2)
    assert (grid == 200).sum() == 28 * 28
    assert grid[32 + 14, 32 + 14] == 200


def test_small_images_are_enlarged(tmp_path: Path) -> None:
    save_grid(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), 2, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (2 * 42 + 2, 2 * 42 + 2)
