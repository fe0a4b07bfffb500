"""The picture of a run's losses."""

from pathlib import Path

from gan_experiments.files import write_atomically

COLOURS = {"discriminator": "tab:blue", "generator": "tab:orange"}


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
            axes[2].plot(kimg, losses, color=COLOURS[network], linewidth=0.9, marker=marker, label=network)
    axes[2].set(title="both", xlabel="thousands of real images (kimg)")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.locator_params(axis="x", nbins=6)
    axes[2].legend()
    figure.suptitle(title)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))
