"""Grids with words: where pictures stand, and words that do not fit."""

import numpy as np
import torch

from gan_experiments.inspection.pictures import Row, draw_grid
from gan_experiments.inspection.sheets import class_sheet, layer_sheet


def test_pictures_are_enlarged_without_smoothing() -> None:
    pixels = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).reshape(1, 1, 2, 2).repeat(7, 1, 1, 1)
    drawn = np.asarray(draw_grid("Title", ["Note"], [Row("", pixels)]))
    black = (drawn == 0).all(-1)

    assert black[-54:-12, 54:96].all()  # the lower right quarter is 42 pixels wide, below it is the margin
    assert not black[-54:-12, 12:54].any()
    assert (drawn[-12:] == 255).all()


def test_colours_stay_and_words_of_any_length_and_kind_fit() -> None:
    red = torch.zeros((3, 3, 32, 32), dtype=torch.uint8)
    red[:, 0] = 200
    long = '<script>größer "than" ≥ any=place ' * 9
    drawn = draw_grid(long, [long, ""], [Row(long, red, [long, "", "b"], ["good", "bad", "plain"])])

    assert drawn.width < 800
    assert (np.asarray(drawn) == (200, 0, 0)).all(-1).sum() == 3 * 96 * 96


def test_a_sheet_of_many_shows_ten_of_each_class_and_all_channels() -> None:
    pixels = torch.zeros((24, 1, 8, 8), dtype=torch.uint8)
    asked = torch.arange(2).repeat_interleave(12)
    facts = {"recognized_by_itself": 1.0, "judged": {}}
    classes = np.asarray(class_sheet(pixels, asked, None, str, facts))
    layer = np.asarray(layer_sheet(pixels, {"name": "a", "kind": "Conv2d", "channels": 30}))

    assert (classes == 0).all(-1).sum() == 20 * 88 * 88
    assert (layer == 0).all(-1).sum() == 24 * 88 * 88
