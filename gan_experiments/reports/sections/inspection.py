"""The pictures of `gan-experiments inspect`."""

from gan_experiments.reports.blocks import Picture, Pictures, Section
from gan_experiments.runs.run import Run

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def section(run: Run) -> Section | None:
    """Return all pictures below inspection/."""
    paths = [path for path in run.directory.glob("inspection/**/*") if path.suffix.lower() in SUFFIXES]
    pictures = [Picture(path, str(path.relative_to(run.directory))) for path in sorted(paths) if path.is_file()]
    return Section("inspection", "Inside the discriminator", [Pictures(pictures, large=True)]) if pictures else None
