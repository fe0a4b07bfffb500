"""The pictures of an inspection: rows of images with captions, below a title and notes."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

COLUMNS = 10
CELL, LINE, TITLE_LINE, MARGIN = 0.9, 0.14, 0.22, 0.12  # inches: an image, a line of text, one of the title
LETTER = 0.064  # inches: a letter of a text
TEXT, TITLE = 8, 12  # sizes of letters, points
COLORS = {True: "#006e32", False: "#b9141e", None: "black"}
ClassName = Callable[[int], str]
"""From a label to the name of its class."""


@dataclass(frozen=True)
class Row:
    """Images side by side."""

    name: str  # at the left
    pixels: Tensor  # uint8, N×C×H×W
    captions: Sequence[str] = ()  # below each, may have lines
    correct: Sequence[bool | None] = ()  # for each caption: green, red, or black for None


def perturbed_sheet(
    run: str,
    pixels: Mapping[str, Tensor],
    predicted: Mapping[str, Tensor],
    labels: Tensor,
    class_name: ClassName,
    facts: Mapping[str, Any],
) -> Figure:
    """Draw altered images below the real ones: the rows `real`, `first step`, `altered` and `alteration`.

    `predicted` holds the discriminator's classes of `real` and `altered`, `labels` the true ones.
    """
    factor, largest = facts["factor"], f"{facts['step'] * 255:.3g}/255"
    correct = {row: (classes == labels).tolist() for row, classes in predicted.items()}
    names = {row: [f"D: {class_name(label)}" for label in classes.tolist()] for row, classes in predicted.items()}
    captions = [
        class_name(label) if right else f"{class_name(label)}\n{name}"
        for label, name, right in zip(labels.tolist(), names["real"], correct["real"], strict=True)
    ]
    rows = [
        Row("real", pixels["real"], captions, correct["real"]),
        Row("first step", pixels["first step"]),
        Row("altered", pixels["altered"], names["altered"], correct["altered"]),
        Row(f"alteration ×{factor}", pixels["alteration"]),
    ]
    title = f"{run}: accuracy {facts['accuracy_before']:.1%} before, {facts['accuracy_after']:.1%} after alteration"
    steps = "1 step" if facts["steps"] == 1 else f"{facts['steps']} steps"
    notes = [
        f"{facts['num_images']:,} {facts['split']} images, of which the first {len(labels)} are shown, were altered in "
        f"{steps} towards the class that the discriminator D finds likeliest but for the true one. No pixel value "
        f"moved by more than {largest} of the range from black to white.",
        "Real: the true class below, in red and with D's class where D is wrong. Altered: D's class, green where it is "
        "still the true one.",
        "First step: each value moves against the sign of the gradient of D's class loss for that other class; white: "
        f"it rises, black: it falls{', each colour by itself' if pixels['real'].shape[1] > 1 else ''}.",
        f"Alteration ×{factor}: altered minus real, amplified {factor} times, so that {largest} shows as black or "
        "white; mid-grey is no change.",
    ]
    return draw_rows(title, notes, rows)


def class_sheet(
    run: str, pixels: Tensor, asked: Tensor, predicted: Tensor | None, class_name: ClassName, facts: Mapping[str, Any]
) -> Figure:
    """Draw the images (uint8, N×C×H×W) made for each class in its row, the first ten where there are more.

    `predicted` holds the classes by a separately trained classifier, whose numbers are the first of `facts["judged"]`.
    """
    rows = []
    for label in sorted(set(asked.tolist())):
        shown = (asked == label).nonzero().flatten()[:COLUMNS]
        labels = [] if predicted is None else predicted[shown].tolist()
        captions = [class_name(other) for other in labels]
        rows.append(Row(class_name(label), pixels[shown], captions, [other == label for other in labels]))
    notes = [f"The discriminator itself recognises {facts['recognized_by_itself']:.0%} as the class of their row."]
    for name, shares in facts["judged"].items():
        low, high = shares["interval"]
        notes.append(
            f"{name}, trained separately, recognises {shares['share']:.0%} (95% interval for independent images "
            f"{low:.0%} to {high:.0%}); chance is {shares['chance']:.0%}."
        )
    if predicted is not None:
        notes.append(f"Below an image: the class by {next(iter(facts['judged']))}, green where it is the row's.")
    return draw_rows(f"{run}: images that maximise each class", notes, rows)


def layer_sheet(run: str, pixels: Tensor, facts: Mapping[str, Any]) -> Figure:
    """Draw one image for each channel of a layer (uint8, N×C×H×W), with its number."""
    parts = zip(torch.split(pixels, COLUMNS), torch.split(torch.arange(len(pixels)), COLUMNS), strict=True)
    rows = [Row("", part, [str(number) for number in numbers.tolist()]) for part, numbers in parts]
    title = f"{run}: images that maximise the channels of layer {facts['name']} ({facts['kind']})"
    notes = [f"One image for each channel, {len(pixels)} of {facts['channels']}; the number of the channel below."]
    return draw_rows(title, notes, rows)


def draw_rows(title: str, notes: Sequence[str], rows: Sequence[Row]) -> Figure:
    """Draw rows of images without smoothing; long names and captions end in an ellipsis, title and notes are broken."""
    columns = max(len(row.pixels) for row in rows)
    names = [_cut(row.name, 2 * CELL) for row in rows]
    left = MARGIN + LETTER * max(len(name) + 1 for name in names)
    width = max(left + columns * CELL + MARGIN, 5)
    title_lines = textwrap.wrap(title, int((width - 2 * MARGIN) / LETTER * TEXT / TITLE))
    note_lines = [line for note in notes for line in textwrap.wrap(note, int((width - 2 * MARGIN) / LETTER))]
    top = MARGIN + LINE + TITLE_LINE * len(title_lines) + LINE * len(note_lines)
    heights = [CELL + LINE * max((text.count("\n") + 1 for text in row.captions), default=0) for row in rows]
    height = top + sum(heights) + MARGIN
    figure = Figure((width, height), dpi=100)
    write: dict[str, Any] = {"va": "top", "parse_math": False}
    figure.text(MARGIN / width, 1 - MARGIN / height, "\n".join(title_lines), fontsize=TITLE, **write)
    below = MARGIN + TITLE_LINE * len(title_lines)
    figure.text(MARGIN / width, 1 - below / height, "\n".join(note_lines), fontsize=TEXT, color="dimgray", **write)
    bounds = {"left": left / width, "right": (left + columns * CELL) / width, "top": 1 - top / height}
    layout = bounds | {"bottom": MARGIN / height, "hspace": 0, "height_ratios": heights}
    grid = figure.subplots(len(rows), squeeze=False, gridspec_kw=layout)[:, 0]
    for axes, row, name, row_height in zip(grid, rows, names, heights, strict=True):
        side = row.pixels.shape[-1]
        gap = max(1, side // 14)
        strip = make_grid(row.pixels.cpu(), nrow=len(row.pixels), padding=gap, pad_value=255)
        axes.imshow(strip.permute(1, 2, 0).numpy(), interpolation="nearest")
        axes.set(xlim=(0, columns * (side + gap)), ylim=((side + gap) * row_height / CELL, 0))
        axes.axis("off")
        axes.text(0, gap + side / 2, f"{name} ", ha="right", va="center", fontsize=TEXT, parse_math=False)
        for number, caption in enumerate(row.captions):
            text = "\n".join(_cut(line, CELL) for line in caption.split("\n"))
            color = COLORS[row.correct[number] if row.correct else None]
            center = gap + number * (side + gap) + side / 2
            axes.text(center, gap + side, text, ha="center", color=color, fontsize=TEXT, **write)
    return figure


def _cut(text: str, inches: float) -> str:
    room = int(inches / LETTER)
    return text if len(text) <= room else f"{text[: room - 1]}…"
