"""Sample grids side by side: which of them a page holds, so that it stays small."""

import base64
import io
import itertools
import statistics
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_experiments.formatting import encodable
from gan_experiments.runs.run import Run

MOST_RUNS = 12
MOST_STOPS = 9
BUDGET = 8_000_000  # characters of all pictures in a page
LARGEST = 600_000  # about what a reduced picture takes


LONGEST_SIDE = 1200


@dataclass(frozen=True)
class Picture:
    """A picture as a page holds it."""

    uri: str  # data:image/...
    width: int  # pixels, as the page holds it
    reduced: bool  # smaller than its file, and compressed with losses


def read_picture(path: Path, longest_side: int = LONGEST_SIDE, compress: bool = False) -> Picture:
    """Read a picture for a page, pixel by pixel the same, or reduced if it is larger than asked.

    Args:
        path: the file.
        longest_side: width or height, in pixels, that the page holds at most.
        compress: take time to make it about a third smaller, without losses.

    Raises:
        OSError: it is missing, or no picture that can be read.
    """
    from PIL import Image

    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # a grid of large images is no attack
            with Image.open(io.BytesIO(content)) as opened:
                kind = opened.format
                opened.load()
                image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else "it is no picture, or a part of one"
        )
        raise OSError(f"{path.name} cannot be read: {reason}") from error
    reduced = max(image.size) > longest_side
    if not reduced and not compress and kind == "PNG":
        return Picture(_uri("png", content), image.width, reduced)
    buffer = io.BytesIO()
    if reduced:
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
        image.save(buffer, "WEBP", quality=85)
    else:
        image.save(buffer, "WEBP", lossless=True)
    return Picture(_uri("webp", buffer.getvalue()), image.width, reduced)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


@dataclass(frozen=True)
class Grids:
    """What a page holds of the runs' sample grids."""

    stops: list[float]  # kimg, where the slider halts
    pictures: dict[int, list[dict[str, Any]]]  # by the position of the run: kimg, uri, width, reduced
    real: dict[str, str]  # pictures of real images by data set
    problems: dict[int, list[str]]  # by the position of the run
    left_out: int  # runs with grids that are not shown


def gather(
    records: Sequence[Run], most_runs: int = MOST_RUNS, budget: int = BUDGET, most_stops: int = MOST_STOPS
) -> Grids:
    """Choose grids of the first runs at common kimg, fewer where they are large, and read them."""
    having = {position: grids for position, record in enumerate(records) if (grids := record.grids)}
    shown = dict(itertools.islice(having.items(), most_runs))
    for plan in _plans(shown, budget, most_stops):
        pictures, problems, spent = _read(plan, budget)
        if spent <= budget:
            break
    real = _real([records[position] for position in pictures])
    return Grids(
        plan.stops, pictures, real, problems, len(having) - len(pictures) - len(problems.keys() - pictures.keys())
    )


def choose_stops(places: Sequence[Sequence[float]], most: int) -> list[float]:
    """At most `most` (2 or more) kimg for the slider: those of all runs, near ones joined, first and last kept."""
    every = sorted(itertools.chain(*places))
    joined: list[list[float]] = []
    for place in every:
        if joined and place - joined[-1][0] <= every[-1] / 100:  # batches of other sizes end elsewhere
            joined[-1].append(place)
        else:
            joined.append([place])
    stops = [statistics.median_high(near) for near in joined]
    if len(stops) <= most:
        return stops
    return [stops[round(i * (len(stops) - 1) / (most - 1))] for i in range(most)]


@dataclass(frozen=True)
class _Plan:
    """Which grids a page may hold."""

    stops: list[float]
    grids: dict[int, list[tuple[float, Path]]]  # for each run that nearest to each stop
    compress: bool


def _plans(shown: dict[int, list[tuple[float, Path]]], budget: int, most_stops: int) -> Iterator[_Plan]:
    """Return plans whose pictures are likely to fit, the richest first, and at last the smallest one."""
    places = [[kimg for kimg, _ in grids] for grids in shown.values()]
    for most in (most_stops, *(fewer for fewer in (24, 16, 9, 6, 4, 3, 2) if fewer < most_stops)):
        stops = choose_stops(places, most)
        chosen = {
            position: sorted({min(grids, key=lambda grid: abs(grid[0] - stop)) for stop in stops})
            for position, grids in shown.items()
        }
        size = sum(min(_size(path), LARGEST) for grids in chosen.values() for _, path in grids) * 4 / 3
        if size <= budget:
            yield _Plan(stops, chosen, compress=False)
        elif size * 0.75 <= budget:  # which noise does not reach
            yield _Plan(stops, chosen, compress=True)
    yield _Plan(stops, chosen, compress=True)


def _read(plan: _Plan, budget: int) -> tuple[dict[int, list[dict[str, Any]]], dict[int, list[str]], int]:
    """Read the pictures, leaving out those beyond the budget; gives them, what is wrong, and what all would take."""
    pictures: dict[int, list[dict[str, Any]]] = {}
    problems: dict[int, list[str]] = {}
    spent = 0
    for position, grids in plan.grids.items():
        for kimg, path in grids:
            try:
                picture = read_picture(path, compress=plan.compress)
            except OSError as error:
                problems.setdefault(position, []).append(f"samples/{encodable(str(error))}")
                continue
            spent += len(picture.uri)
            if spent <= budget:
                pictures.setdefault(position, []).append(_entry(kimg, picture))
    return pictures, problems, spent


def _real(records: Sequence[Run]) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in records:
        name = encodable(str(record.flat_config.get("dataset.name", "data")))
        if name not in found:
            try:
                found[name] = read_picture(record.directory / "samples" / "real.png").uri
            except OSError:
                continue
    return found


def _entry(kimg: float, picture: Picture) -> dict[str, Any]:
    return {"kimg": kimg, "uri": picture.uri, "width": picture.width, "reduced": picture.reduced}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
