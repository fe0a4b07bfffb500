"""Grids of small pictures with words: a title, names of rows, a caption below each picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

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
    """Give a font with the letters of most scripts that are written from left to right."""
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
