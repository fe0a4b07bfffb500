"""The pictures of an inspection: which images stand where, and what is said of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

COLUMNS = 10
Names = Callable[[int], str]
"""From a label to the name of its class."""


def perturbed_sheet(
    run: str,
    pixels: Mapping[str, Tensor],
    seen: Mapping[str, Tensor],
    labels: Tensor,
    names: Names,
    facts: Mapping[str, Any],
) -> Image.Image:
    """Draw altered images below the real ones.

    Args:
        run: what the run is called.
        pixels: uint8, N×C×H×W, of the rows `real`, `first step`, `altered` and `alteration`.
        seen: the class that the discriminator sees in each image (int64 N) of the rows `real` and `altered`.
        labels: the true classes, int64 N.
        names: of the classes.
        facts: the numbers to be said; `factor`, by how much the alteration is amplified.
    """
    factor, far = facts["factor"], f"{facts['step'] * 255:.3g}/255"
    captions = {row: _named(found, labels, names) for row, found in seen.items()}
    true = [names(label) for label in labels.tolist()]
    words, moods = captions["real"]
    real = [
        name if mood == "good" else f"{name}\nD: {word}" for name, word, mood in zip(true, words, moods, strict=True)
    ]
    rows = [
        Row("real", pixels["real"], real, moods),
        Row("first step", pixels["first step"]),
        Row("altered", pixels["altered"], [f"D: {word}" for word in captions["altered"][0]], captions["altered"][1]),
        Row(f"alteration ×{factor}", pixels["alteration"]),
    ]
    title = f"{run}: accuracy {facts['accuracy_before']:.1%} before, {facts['accuracy_after']:.1%} after alteration"
    steps = "1 step" if facts["steps"] == 1 else f"{facts['steps']} steps"
    notes = [
        f"{facts['num_images']:,} {facts['split']} images, the first {len(labels)} of which are shown, were altered in "
        f"{steps} so that the discriminator D takes them for the likeliest class but the true one. No value of a pixel "
        f"moved by more than {far} of the range from black to white.",
        "Real: its true class below, in red and with the class that D sees where that is another. Altered: the class "
        "that D sees, green where it is still the true one.",
        "First step: each value moves against the sign of the gradient of D's class loss for that other class; white: "
        f"it rises, black: it falls{', each colour by itself' if pixels['real'].shape[1] > 1 else ''}.",
        f"Alteration ×{factor}: altered minus real, amplified {factor} times, so that {far} shows as black or white; "
        "mid-grey is no change.",
    ]
    return draw_grid(title, notes, rows)


def class_sheet(
    run: str, pixels: Tensor, asked: Tensor, seen: Tensor | None, names: Names, facts: Mapping[str, Any]
) -> Image.Image:
    """Draw the images made for each class in its row, the first ten where there are more.

    Args:
        run: what the run is called.
        pixels: uint8, N×C×H×W.
        asked: the class that each was made for, int64 N.
        seen: the class that a separate classifier sees, int64 N; None where there is no such classifier.
        names: of the classes.
        facts: the numbers to be said; `judged`, by the classifier's name, begins with that of `seen`.
    """
    rows = []
    for label in sorted(set(asked.tolist())):
        own = (asked == label).nonzero().flatten()[:COLUMNS]
        words = () if seen is None else _named(seen[own], asked[own], names)
        rows.append(Row(names(label), pixels[own], *words))
    notes = [f"The discriminator itself sees the class of their row in {facts['recognized_by_itself']:.0%}."]
    for name, found in facts["judged"].items():
        low, high = found["interval"]
        notes.append(
            f"{name}, trained separately, sees it in {found['share']:.0%} (95% interval of independent images "
            f"{low:.0%} to {high:.0%}); a guess would in {found['chance']:.0%}."
        )
    if seen is not None:
        notes.append(
            f"Below a picture: the class that {next(iter(facts['judged']))} sees, green where it is the row's."
        )
    return draw_grid(f"{run}: images that maximise each class", notes, rows)


def layer_sheet(run: str, pixels: Tensor, facts: Mapping[str, Any]) -> Image.Image:
    """Draw one image for each channel of a layer (uint8, N×C×H×W), with its number."""
    numbers = [str(number) for number in range(len(pixels))]
    rows = [
        Row("", pixels[start : start + COLUMNS], numbers[start : start + COLUMNS])
        for start in range(0, len(pixels), COLUMNS)
    ]
    title = f"{run}: images that maximise the channels of layer {facts['name']} ({facts['kind']})"
    notes = [f"One image for each channel, {len(pixels)} of {facts['channels']}; the number of the channel below."]
    return draw_grid(title, notes, rows)


def _named(seen: Tensor, true: Tensor, names: Names) -> tuple[list[str], list[str]]:
    """Return the names of recognised classes, and whether each is the true one."""
    right = (seen == true).tolist()
    return [names(label) for label in seen.tolist()], ["good" if one else "bad" for one in right]


SMALLEST_SIDE = 84  # pixels: smaller pictures are enlarged by whole factors
GAP, MARGIN = 6, 12
TEXT, TITLE = 12, 17  # sizes of letters, pixels
PAPER, INK, SOFT = (255, 255, 255), (20, 20, 20), (95, 95, 95)
COLORS = {"good": (0, 110, 50), "bad": (185, 20, 30), "plain": INK}


@dataclass(frozen=True)
class Row:
    """Pictures side by side."""

    name: str  # at the left
    pixels: Tensor  # uint8, N×C×H×W
    captions: Sequence[str] = ()  # below each, may have lines; none: no room is kept
    moods: Sequence[str] = ()  # `good`, `bad` or `plain` for each caption; none: all plain


def draw_grid(title: str, notes: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """Draw rows of pictures on white paper, under a title and lines of notes.

    Small pictures are enlarged without smoothing, to 84 pixels or more. Words that are too long for their place end
    in an ellipsis; lines of notes are broken.
    """
    side = rows[0].pixels.shape[-1] * max(1, -(-SMALLEST_SIDE // rows[0].pixels.shape[-1]))
    text, large = _font(TEXT), _font(TITLE)
    left = MARGIN + max((min(_width(row.name, text), 2 * side) for row in rows if row.name), default=-GAP) + GAP
    width = max(left + max(len(row.pixels) for row in rows) * (side + GAP) - GAP + MARGIN, 480)
    lines = [(line, large, INK) for line in _broken([title], large, width - 2 * MARGIN)]
    lines += [(line, text, SOFT) for line in _broken(notes, text, width - 2 * MARGIN)]
    top = MARGIN + sum(_height(font) for _, font, _ in lines) + GAP
    lines_below = [max((caption.count("\n") + 1 for caption in row.captions), default=0) for row in rows]
    heights = [side + GAP + count * _height(text) for count in lines_below]
    paper = Image.new("RGB", (width, top + sum(heights) + MARGIN - GAP), PAPER)
    pen = ImageDraw.Draw(paper)
    at = MARGIN
    for line, font, color in lines:
        pen.text((MARGIN, at), line, font=font, fill=color)
        at += _height(font)
    for row, height in zip(rows, heights, strict=True):
        middle = top + side // 2 - TEXT // 2
        pen.text((MARGIN, middle), _cut(row.name, text, 2 * side), font=text, fill=INK)
        for number, pixels in enumerate(row.pixels):
            x = left + number * (side + GAP)
            paper.paste(_enlarged(pixels, side), (x, top))
            if row.captions:
                color = COLORS[row.moods[number] if row.moods else "plain"]
                for line_number, line in enumerate(row.captions[number].split("\n")):
                    caption = _cut(line, text, side + GAP - 2)
                    place = (x + (side - _width(caption, text)) // 2, top + side + 1 + line_number * _height(text))
                    pen.text(place, caption, font=text, fill=color)
        top += height
    return paper


def _enlarged(pixels: Tensor, side: int) -> Image.Image:
    array = np.ascontiguousarray(pixels.cpu().movedim(0, -1))
    picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).convert("RGB")
    return picture.resize((side, side), Image.Resampling.NEAREST)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return a font with the letters of most scripts that are written from left to right."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _width(words: str, font: ImageFont.FreeTypeFont) -> int:
    return round(font.getlength(words))


def _height(font: ImageFont.FreeTypeFont) -> int:
    return round(font.size * 1.4)


def _cut(words: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """Shorten words to `room` pixels."""
    if _width(words, font) <= room:
        return words
    while words and _width(f"{words}…", font) > room:
        words = words[:-1]
    return f"{words}…"


def _broken(lines: Sequence[str], font: ImageFont.FreeTypeFont, room: int) -> list[str]:
    """Break lines between words so that each fits into `room` pixels."""
    found = []
    for line in lines:
        current = ""
        for word in line.split():
            longer = f"{current} {word}".strip()
            if current and _width(longer, font) > room:
                found.append(current)
                longer = word
            current = longer
        found.append(_cut(current, font, room))
    return found
