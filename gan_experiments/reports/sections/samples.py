"""The sample grids of one run."""

from collections.abc import Mapping
from typing import Any

from gan_experiments.formatting import short
from gan_experiments.reports import images
from gan_experiments.reports.blocks import Block, Picture, Pictures, Section, Text, Widget
from gan_experiments.runs.run import Run

STOPS = 40  # of the slider
BUDGET = 4_000_000  # characters of the slider's pictures
LINKED = 12  # grids in Markdown


def section(run: Run) -> Section:
    """Return a slider through the grids, beside real images."""
    linked = _linked(run)
    if linked or (run.directory / "samples" / "real.png").is_file():
        blocks: list[Block] = [Widget("samples", lambda: _data(run), [linked] if linked else [_none(run)])]
    else:
        blocks = [_none(run)]
    return Section("samples", "Samples through training", blocks)


def _none(run: Run) -> Text:
    has_generator = run.group("model").get("generator", True)
    return Text("The run has no grid of samples." if has_generator else "The run trains no generator.")


def _linked(run: Run) -> Pictures | None:
    """Return the first grid, some between, and the last."""
    last = len(run.grids) - 1
    chosen = sorted({round(at * last / (LINKED - 1)) for at in range(LINKED)}) if run.grids else []
    pictures = [Picture(run.grids[at][1], f"{short(run.grids[at][0])} kimg") for at in chosen]
    return Pictures(pictures) if pictures else None


def _data(run: Run) -> Mapping[str, Any]:
    grids = images.gather([run], budget=BUDGET, most_stops=STOPS)
    pictures, problems = grids.pictures.get(0, []), grids.problems.get(0, [])
    return {"pictures": pictures, "problems": problems, "real": images.read_real(run)}
