"""The pictures of an inspection: which images stand where, and what is said of them."""

from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image
from torch import Tensor

from gan_experiments.inspection.pictures import Row, draw_grid

COLUMNS = 10
Names = Callable[[int], str]
"""From a label to the name of its class."""


def perturbed_sheet(
    pixels: Mapping[str, Tensor], seen: Mapping[str, Tensor], labels: Tensor, names: Names, facts: Mapping[str, Any]
) -> Image.Image:
    """Draw altered images below the real ones.

    Args:
        pixels: uint8, N×C×H×W, by the name of their row.
        seen: the class recognised in each image (int64 N), by the name of a row; not every row has one.
        labels: the true classes, int64 N.
        names: of the classes.
        facts: the numbers to be said.
    """
    rows = [
        Row(name, images, *(_named(seen[name], labels, names) if name in seen else ()))
        for name, images in pixels.items()
    ]
    title = f"Accuracy {facts['accuracy_before']:.1%} before, {facts['accuracy_after']:.1%} after"
    notes = [
        f"{facts['num_images']:,} {facts['split']} images, the first {len(labels)} shown. Steps towards the likeliest "
        f"other class: {facts['steps']}; no value moved by more than {facts['step'] * 255:.3g}/255 of the range.",
        "Below a picture: the class that the discriminator sees, green where it is the true one. Mid-grey in the "
        "difference: no change.",
    ]
    return draw_grid(title, notes, rows)


def class_sheet(
    pixels: Tensor, asked: Tensor, seen: Tensor | None, names: Names, facts: Mapping[str, Any]
) -> Image.Image:
    """Draw the images made for each class in its row, the first ten where there are more.

    Args:
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
    return draw_grid("Images that maximise each class", notes, rows)


def layer_sheet(pixels: Tensor, facts: Mapping[str, Any]) -> Image.Image:
    """Draw one image for each channel of a layer (uint8, N×C×H×W), with its number."""
    numbers = [str(number) for number in range(len(pixels))]
    rows = [
        Row("", pixels[start : start + COLUMNS], numbers[start : start + COLUMNS])
        for start in range(0, len(pixels), COLUMNS)
    ]
    title = f"Images that maximise the channels of layer {facts['name']} ({facts['kind']})"
    notes = [f"One image for each channel, {len(pixels)} of {facts['channels']}; the number of the channel below."]
    return draw_grid(title, notes, rows)


def _named(seen: Tensor, true: Tensor, names: Names) -> tuple[list[str], list[str]]:
    """Give the names of recognised classes, and whether each is the true one."""
    right = (seen == true).tolist()
    return [names(label) for label in seen.tolist()], ["good" if one else "bad" for one in right]
