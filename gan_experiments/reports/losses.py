"""The picture of a run's losses."""

from collections.abc import Sequence
from math import nan
from pathlib import Path

from gan_experiments.io import write_atomically

COLOURS = {"discriminator": "tab:blue", "generator": "tab:orange"}


def plot_losses(rows: Sequence[dict[str, float]], path: Path, title: str) -> None:
    """Draw the loss of each network that was trained over its own steps, and of two both over kimg, as a PNG file."""
    from matplotlib.figure import Figure

    networks = [network for network in COLOURS if any(f"{network}/loss" in row for row in rows)]
    figure = Figure(figsize=(13, 3.6) if len(networks) > 1 else (7, 3.6), layout="constrained")
    axes = figure.subplots(1, 3 if len(networks) > 1 else 1, squeeze=False)[0]
    for network, axis in zip(networks, axes, strict=False):
        found = [row for row in rows if f"{network}/loss" in row]
        axis.set(title=network, xlabel=f"{network} steps", ylabel="loss (mean of an interval)")
        # Points, for a network that is trained in one interval here and there has no line.
        look = {"color": COLOURS[network], "linewidth": 0.9, "marker": ".", "markersize": 6 if len(found) < 30 else 1.5}
        axis.plot([row[f"{network}_steps"] for row in found], [row[f"{network}/loss"] for row in found], **look)
        if len(networks) > 1:  # with gaps where a schedule pauses a network
            every = [row for row in rows if any(f"{one}/loss" in row for one in networks)]
            losses = [row.get(f"{network}/loss", nan) for row in every]
            axes[2].plot([row["kimg"] for row in every], losses, label=network, **look)
            axes[2].set(title="both", xlabel="thousands of real images (kimg)")
            axes[2].legend()
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.locator_params(axis="x", nbins=6)
    figure.suptitle(title)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))
