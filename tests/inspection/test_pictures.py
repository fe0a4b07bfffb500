"""Grids with words: where pictures stand, and words that do not fit."""

import numpy as np
import pytest
import torch

from gan_experiments.inspection import figures as sheets
from gan_experiments.inspection.figures import Row, class_sheet, draw_grid, layer_sheet, perturbed_sheet


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
    classes = np.asarray(class_sheet("run", pixels, asked, None, str, facts))
    layer = np.asarray(layer_sheet("run", pixels, {"name": "a", "kind": "Conv2d", "channels": 30}))

    assert (classes == 0).all(-1).sum() == 20 * 88 * 88
    assert (layer == 0).all(-1).sum() == 24 * 88 * 88


def test_captions_may_have_two_lines() -> None:
    pixels = torch.zeros((2, 1, 8, 8), dtype=torch.uint8)
    one, two = (draw_grid("a", [], [Row("", pixels, captions)]) for captions in (["a", "a"], ["a\nb", "a"]))
    assert two.height == one.height + 17
    assert (np.asarray(two)[one.height - 12 : one.height + 5] < 128).any()  # there is the second line


def test_altered_images_are_told_with_the_run_the_true_class_and_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, list[str], list[Row]]] = []
    monkeypatch.setattr(sheets, "draw_grid", lambda *given: drawn.append(given))
    rows = dict.fromkeys(("real", "first step", "altered", "alteration"), torch.zeros((2, 1, 8, 8), dtype=torch.uint8))
    seen = {"real": torch.tensor([3, 5]), "altered": torch.tensor([4, 5])}
    facts = {"num_images": 9, "split": "held-out", "step": 10 / 255, "steps": 1, "factor": 13}
    facts |= {"accuracy_before": 0.5, "accuracy_after": 0.25}
    perturbed_sheet("a run", rows, seen, torch.tensor([3, 4]), lambda label: f"class {label}", facts)

    ((title, notes, (real, _, altered, alteration)),) = drawn
    assert title == "a run: accuracy 50.0% before, 25.0% after alteration"
    assert real.captions == ["class 3", "class 4\nD: class 5"]
    assert real.moods == ["good", "bad"]
    assert altered.captions == ["D: class 4", "D: class 5"]
    assert altered.moods == ["bad", "bad"]
    assert alteration.name == "alteration ×13"
    assert "in 1 step so" in notes[0]
    assert "10/255 of the range" in notes[0]
