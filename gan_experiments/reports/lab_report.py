"""The lab report: one run, or several with their comparison, in one page; the same in Markdown beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_experiments.formatting import encodable, short
from gan_experiments.reports import charts
from gan_experiments.reports import images as grids
from gan_experiments.reports.html import check_place, files, render, write_text
from gan_experiments.reports.images import read_picture
from gan_experiments.reports.markdown import MARKDOWN_BEGINS, several_as_markdown, single_as_markdown
from gan_experiments.reports.run_summary import About
from gan_experiments.reports.table import Table, tabulate
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

HTML_BEGINS = "<!doctype html>\n<!-- report of gan-experiments -->"
BESIDE = (".md",)
STOPS = 40  # of one run's slider
SINGLE_BUDGET = 4_000_000  # characters of one run's pictures
SEVERAL_BUDGET = 6_000_000  # of the last grids of several runs, besides those of the comparison
SMALL_SIDE = 640  # pixels of these
POINTS = 1_000  # of one run's curve
LOSSES = ("discriminator/loss", "generator/loss")


@dataclass(frozen=True)
class Shown:
    """A picture in the page, with what stands beneath it."""

    uri: str
    says: str


def write_report(records: Sequence[Run], target: Path, title: str | None = None) -> None:
    """Write `target` (.html) and the same as .md beside it; of several runs with their comparison.

    Runs that cannot be read are listed, and the rest is reported.

    Raises:
        UserError: no run can be read, or a file is in the way that is no report.
        OSError: the directory cannot be written.
    """
    readable = [record for record in records if record.state != "unreadable"]
    unread = [record for record in records if record.state == "unreadable"]
    if not readable:
        reasons = "; ".join(f"{record.directory}: {record.problem}" for record in unread[:3]) or "none was given"
        raise UserError(f"there is no run to report on ({reasons}). Give run directories, or a sweep's.")
    html, markdown = files(target, BESIDE)
    for path, beginning in ((html, HTML_BEGINS), (markdown, MARKDOWN_BEGINS)):
        check_place(path, beginning, "report")
    if len(readable) == 1:
        about = About(readable[0], encodable(readable[0].name))
        title = encodable(title or f"Report: {about.name}")
        page = render("report.html", title=title, **_single(about, unread))
        text = single_as_markdown(about, unread, markdown, title)
    else:
        table = tabulate(records)
        runs = [About(row.record, row.name) for row in table.rows]
        title = encodable(title or f"Report on {len(runs)} runs")
        page = render("report_of_several.html", title=title, **_several(table, runs))
        text = several_as_markdown(table, runs, markdown, title)
    write_text(html, page)
    write_text(markdown, text)


def _single(about: About, unread: Sequence[Run]) -> dict[str, Any]:
    curve = charts.curves(about.record.rows, POINTS)
    shown = grids.gather([about.record], budget=SINGLE_BUDGET, most_stops=STOPS)
    pictures = shown.pictures.get(0, [])
    return {
        "run": about,
        "unread": unread,
        "palette": charts.PALETTE,
        "short": short,
        "curve": curve,
        "families": families(curve),
        "pictures": pictures,
        "unseen": shown.problems.get(0, []),
        "real": _pictures([about.record.directory / "samples" / "real.png"], about)[0],
        "reconstructions": _pictures(about.reconstructions, about)[0],
        "nearest": _pictures(about.nearest, about)[0],
        "inspections": _pictures(about.inspections, about)[0],
    }


def _several(table: Table, runs: Sequence[About]) -> dict[str, Any]:
    from gan_experiments.reports.comparison import contexts  # with its statistics, which one run needs not

    context = contexts(table)
    left = SEVERAL_BUDGET
    lasts = []
    for about in runs:
        found, left = _pictures([path for _, path in about.record.grids[-1:]], about, SMALL_SIDE, left)
        lasts.append(found)
    return {
        **context,
        "abouts": runs,
        "palette": charts.PALETTE,
        "lasts": lasts,
        "families": [families(curve) for curve in context["curves"]],
        "differing": {key: list(dict.fromkeys(row.settings[key] for row in table.rows)) for key in table.keys},
    }


def families(curve: dict[str, Any]) -> dict[str, list[str]]:
    """Return what is drawn together: both losses, each network's terms, then every other scalar by itself."""
    scalars = list(curve["scalars"])
    found = {"losses of both networks": [name for name in LOSSES if name in scalars]}
    for network in ("discriminator", "generator"):
        terms = [name for name in scalars if name.startswith(f"{network}/")]
        if len(terms) > 1:
            found[f"{network}: all terms"] = terms
    rest = [name for name in scalars if not name.startswith(("discriminator/", "generator/"))]
    return {name: members for name, members in {**found, **{name: [name] for name in rest}}.items() if members}


def _pictures(
    paths: Sequence[Path], about: About, longest_side: int = 1200, budget: int = SINGLE_BUDGET
) -> tuple[list[Shown], int]:
    """Read pictures of a run as long as there is room, leaving out what cannot be read; gives the room that is left."""
    found = []
    for path in paths:
        try:
            picture = read_picture(path, longest_side)
        except OSError:  # it has vanished, or is half a picture
            continue
        budget -= len(picture.uri)
        if budget < 0:
            break
        name = encodable(str(path.relative_to(about.record.directory)))
        found.append(Shown(picture.uri, f"{name}{', reduced' if picture.reduced else ''}"))
    return found, max(budget, 0)
