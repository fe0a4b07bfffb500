"""The files of one run that a person opens."""

from pathlib import Path

from gan_experiments.formatting import short, size
from gan_experiments.reports.blocks import Facts, Section
from gan_experiments.runs.run import Run

PAGES = ("report.html", "losses.png", "samples/real.png")


def section(run: Run) -> Section:
    """Return checkpoints, pages and pictures."""
    pages = (path for path in map(run.directory.joinpath, PAGES) if path.is_file())
    files = {str(path): _size(path) for path in [*sorted(run.directory.glob("checkpoints/*.pt")), *pages]}
    if run.grids:
        kimg, path = run.grids[-1]
        files[str(path)] = f"the last of {len(run.grids)} grids, at {short(kimg)} kimg"
    return Section("files", "Files", [Facts(files, wide=True)])


def _size(path: Path) -> str:
    try:
        return size(path.stat().st_size)
    except OSError:  # it has vanished
        return "gone"
