"""The part of a page that shows how dark the middle of images is: of samples of each variant, and of real ones."""

from __future__ import annotations

from typing import Any

from pictures import is_drawn_of, save
from study_results import NOT_RUN, load, place

PICTURE = "centers.png"
KEYS = [f"center_darkness_{percentile}/pixels" for percentile in (5, 25, 50, 75, 95)]


def centers_section(name: str) -> str:
    """Write the picture."""
    if not _boxes(name):
        return NOT_RUN
    return (
        f"![Darkness of the middle, generated and real](results/{name}/{PICTURE})\n\n"
        "Darkness of the middle of held-out real images, and of samples of each training seed: boxes hold the middle "
        "half of the images, whiskers nine tenths, the line is the median. 1 is black.\n"
    )


def is_current(name: str) -> bool:
    """Return whether the picture of a study is that of its results."""
    boxes = _boxes(name)
    return not boxes or is_drawn_of(place(name) / PICTURE, boxes)


def draw(name: str) -> None:
    """Draw a box for the real images and one for each run."""
    from matplotlib.figure import Figure

    boxes = _boxes(name)
    figure = Figure(figsize=(9, 0.6 + 0.45 * len(boxes)), layout="constrained")
    axis = figure.subplots()
    parts = ("whislo", "q1", "med", "q3", "whishi")
    stats = [{**dict(zip(parts, box, strict=True)), "label": label, "fliers": []} for label, box in boxes.items()]
    axis.bxp(stats, orientation="horizontal", showfliers=False, widths=0.6)
    axis.invert_yaxis()
    axis.set(xlabel="darkness of the middle (1 is black)", xlim=(0, 1))
    axis.grid(alpha=0.3, axis="x")
    save(figure, place(name) / PICTURE, boxes)


def _boxes(name: str) -> dict[str, Any]:
    """Return five percentiles by label; nothing where no run was measured so."""
    _, runs = load(name)
    boxes: dict[str, list[float]] = {}
    for variant, of_seeds in runs.items():
        for run in of_seeds:
            entries = [run["values"].get(key) for key in KEYS]
            if all(entries):
                boxes.setdefault("real images", [entry["floor"] for entry in entries])
                boxes[f"{variant}, seed {run['seed']}"] = [entry["value"] for entry in entries]
    return boxes
