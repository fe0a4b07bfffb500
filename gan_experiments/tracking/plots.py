"""The picture of a run's losses."""

from collections.abc import Sequence
from itertools import pairwise
from math import nan
from pathlib import Path
from statistics import median

from gan_experiments.files import write_atomically

COLOURS = {"discriminator": "tab:blue", "generator": "tab:orange"}


def broken_at_pauses(kimg: Sequence[float], losses: Sequence[float]) -> tuple[list[float], list[float]]:
    """Give the curve with a gap wherever the network was not trained for a while, as a schedule may have it."""
    gaps = [later - earlier for earlier, later in pairwise(kimg)]
    usual = 2 * median(gaps) if gaps else 0.0
    x, y = list(kimg[:1]), list(losses[:1])
    for gap, place, loss in zip(gaps, kimg[1:], losses[1:], strict=True):
        if gap > usual:
            x.append(place)
            y.append(nan)
        x.append(place)
        y.append(loss)
    return x, y


def plot_losses(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Draw each network's loss over its own steps, and both over kimg.

    Args:
        rows: a run's metrics, as `read_metrics` gives them.
        path: the PNG file.
        title: what stands above.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    for network, axis in zip(COLOURS, axes, strict=False):
        points = [
            (row[f"{network}_steps"], row["kimg"], row[f"{network}/loss"]) for row in rows if f"{network}/loss" in row
        ]
        axis.set(title=network, xlabel=f"{network} steps", ylabel="loss (mean of an interval)")
        marker = "." if len(points) < 30 else ""
        if points:
            steps, kimg, losses = zip(*points, strict=True)
            axis.plot(steps, losses, color=COLOURS[network], linewidth=0.9, marker=marker)
            axes[2].plot(*broken_at_pauses(kimg, losses), color=COLOURS[network], lw=0.9, marker=marker, label=network)
    axes[2].set(title="both", xlabel="thousands of real images (kimg)")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.locator_params(axis="x", nbins=6)
    axes[2].legend()
    figure.suptitle(title)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))
