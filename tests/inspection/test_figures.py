"""Sheets: images without smoothing, captions of any kind, and what they are given to show."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from gan_experiments.inspection import figures
from gan_experiments.inspection.figures import CELL, Row, class_sheet, draw_rows, layer_sheet, perturbed_sheet


def rendered(figure: Figure) -> NDArray[np.uint8]:
    file = io.BytesIO()
    figure.savefig(file)
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def test_pictures_are_enlarged_without_smoothing() -> None:
    pixels = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).reshape(1, 1, 2, 2).repeat(7, 1, 1, 1)
    drawn = rendered(draw_rows("", [], [Row("", pixels)]))

    grey = (drawn != 0) & (drawn != 255)
    assert grey.mean() < 0.03  # but for the edges of the squares
    assert (drawn == 0).all(-1).sum() == pytest.approx(7 * 2 * (100 * CELL / 3) ** 2, rel=0.05)  # a gap is a pixel here


def test_colours_stay_and_words_of_any_length_and_kind_fit() -> None:
    red = torch.zeros((3, 3, 32, 32), dtype=torch.uint8)
    red[:, 0] = 200
    long = '<script>größer "than" ≥ any=$place$ ' * 9
    drawn = rendered(draw_rows(long, [long, ""], [Row(long, red, [long, "", "b"], [True, False, None])]))

    assert drawn.shape[1] < 800
    assert (drawn == (200, 0, 0)).all(-1).sum() == pytest.approx(3 * (100 * CELL * 32 / 34) ** 2, rel=0.05)
    assert (drawn[:, [0, -1]] == 255).all()  # nothing runs out of the picture
    assert (drawn[[0, -1]] == 255).all()


def test_a_sheet_of_many_shows_ten_of_each_class_and_all_channels() -> None:
    pixels = torch.zeros((24, 1, 8, 8), dtype=torch.uint8)
    asked = torch.arange(2).repeat_interleave(12)
    facts = {"recognized_by_itself": 1.0, "judged": {}}
    classes = rendered(class_sheet("run", pixels, asked, None, str, facts))
    layer = rendered(layer_sheet("run", pixels, {"name": "a", "kind": "Conv2d", "channels": 30}))

    for sheet, count in ((classes, 20), (layer, 24)):
        assert (sheet == 0).all(-1).sum() == pytest.approx(count * (100 * CELL * 8 / 9) ** 2, rel=0.05)


def test_captions_may_have_two_lines() -> None:
    pixels = torch.zeros((2, 1, 8, 8), dtype=torch.uint8)
    one, two = (rendered(draw_rows("a", [], [Row("", pixels, captions)])) for captions in (["a", "a"], ["a\nb", "a"]))
    assert two.shape[0] == one.shape[0] + 14
    assert (two[-28:-12] < 128).any()  # there is the second line


def test_altered_images_are_shown_with_the_run_the_true_class_and_the_predicted_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[tuple[str, list[str], list[Row]]] = []
    monkeypatch.setattr(figures, "draw_rows", lambda *given: drawn.append(given))
    rows = dict.fromkeys(("real", "first step", "altered", "alteration"), torch.zeros((2, 1, 8, 8), dtype=torch.uint8))
    predicted = {"real": torch.tensor([3, 5]), "altered": torch.tensor([4, 5])}
    facts = {"num_images": 9, "split": "held-out", "step": 10 / 255, "steps": 1, "factor": 13}
    facts |= {"accuracy_before": 0.5, "accuracy_after": 0.25}
    perturbed_sheet("a run", rows, predicted, torch.tensor([3, 4]), lambda label: f"class {label}", facts)

    ((title, notes, (real, _, altered, alteration)),) = drawn
    assert title == "a run: accuracy 50.0% before, 25.0% after alteration"
    assert real.captions == ["class 3", "class 4\nD: class 5"]
    assert real.correct == [True, False]
    assert altered.captions == ["D: class 4", "D: class 5"]
    assert altered.correct == [False, False]
    assert alteration.name == "alteration ×13"
    assert "in 1 step towards" in notes[0]
    assert "10/255 of the range" in notes[0]
