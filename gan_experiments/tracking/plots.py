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
    """Draw the loss of each network that was trained over its own steps, and of two both over kimg.

    Args:
        rows: a run's metrics, as `read_metrics` gives them.
        path: the PNG file.
        title: what stands above.
    """
    from matplotlib.figure import Figure

    networks = [network for network in COLOURS if any(f"{network}/loss" in row for row in rows)]
    figure = Figure(figsize=(13, 3.6) if len(networks) > 1 else (7, 3.6), layout="constrained")
    axes = figure.subplots(1, 3 if len(networks) > 1 else 1, squeeze=False)[0]
    for network, axis in zip(networks, axes, strict=False):
        found = [row for row in rows if f"{network}/loss" in row]
        steps, kimg, losses = ([row[key] for row in found] for key in (f"{network}_steps", "kimg", f"{network}/loss"))
        axis.set(title=network, xlabel=f"{network} steps", ylabel="loss (mean of an interval)")
        look = {"color": COLOURS[network], "linewidth": 0.9, "marker": "." if len(found) < 30 else ""}
        axis.plot(steps, losses, **look)
        if len(networks) > 1:
            axes[2].plot(*broken_at_pauses(kimg, losses), label=network, **look)
            axes[2].set(title="both", xlabel="thousands of real images (kimg)")
            axes[2].legend()
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.locator_params(axis="x", nbins=6)
    figure.suptitle(title)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))
