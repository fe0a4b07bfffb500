"""The losses and all other curves of one run."""

from collections.abc import Sequence

from gan_experiments.formatting import short
from gan_experiments.reports import charts
from gan_experiments.reports.blocks import Block, Facts, Picture, Pictures, Section, Text, Widget
from gan_experiments.runs.run import Run

POINTS = 1_000  # of one curve
LOSSES = ("discriminator/loss", "generator/loss")


def section(run: Run) -> Section:
    """Return the curves of metrics.csv."""
    return Section("curves-section", "Losses and all other curves", panel(run, "run-curves", "curves-0"))


def panel(run: Run, id: str, source: str, own: bool = True) -> list[Block]:
    """Return a panel that draws the curves of the run, which it holds itself or else another widget under `source`."""
    drawn = charts.curves(run.rows, POINTS)
    scalars = list(drawn["scalars"])
    picture = run.directory / "losses.png"
    static: list[Block] = [Pictures([Picture(picture, "losses.png")])]
    if not picture.is_file():
        static = [Text("There is no losses.png.")]

    losses = Facts({name: short(loss) for name, loss in last_losses(run).items()})
    if not scalars:
        return [Text("The run has no metrics.csv with rows in it."), *static]
    data = {"id": id, "source": source, "families": families(scalars), "curves": drawn if own else None}
    return [Widget("curves", lambda: data, [losses, *static])]


def last_losses(run: Run) -> dict[str, float]:
    """Return the newest value of each loss: a schedule may train one network for a whole epoch."""
    newest: dict[str, float] = {}
    for row in run.rows:
        if row.kind == "training":
            newest |= {name: value for name, value in row.items() if name.startswith(("discriminator/", "generator/"))}
    return newest


def families(scalars: Sequence[str]) -> dict[str, list[str]]:
    """Return what is drawn together: both losses, each network's terms, then every other scalar by itself."""
    together = {"losses of both networks": [name for name in LOSSES if name in scalars]}
    for network in ("discriminator", "generator"):
        terms = [name for name in scalars if name.startswith(f"{network}/")]
        if len(terms) > 1:
            together[f"{network}: all terms"] = terms
    rest = {name: [name] for name in scalars if not name.startswith(("discriminator/", "generator/"))}
    return {name: members for name, members in {**together, **rest}.items() if members}
