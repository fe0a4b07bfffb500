"""Sample grids side by side: which of them a page holds, so that it stays small."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_experiments.records import Record
from gan_experiments.reporting.pictures import Picture, read_picture
from gan_experiments.reporting.wording import clean

MOST_RUNS = 12
MOST_STOPS = 9
BUDGET = 8_000_000  # characters of all pictures in a page
LARGEST = 600_000  # about what a reduced picture takes


@dataclass(frozen=True)
class Grids:
    """What a page holds of the runs' sample grids."""

    stops: list[float]  # kimg, where the slider halts
    pictures: dict[int, list[dict[str, Any]]]  # by the position of the run: kimg, uri, width, reduced
    real: dict[str, str]  # pictures of real images by data set
    problems: dict[int, list[str]]  # by the position of the run
    left_out: int  # runs with grids that are not shown


def gather(
    records: Sequence[Record], most_runs: int = MOST_RUNS, budget: int = BUDGET, most_stops: int = MOST_STOPS
) -> Grids:
    """Choose grids of the first runs at common kimg, fewer where they are large, and read them."""
    having = {position: grids for position, record in enumerate(records) if (grids := record.grids)}
    shown = dict(itertools.islice(having.items(), most_runs))
    stops, chosen, compress = _choose(shown, budget, most_stops)
    pictures: dict[int, list[dict[str, Any]]] = {}
    problems: dict[int, list[str]] = {}
    spent = 0
    for position, grids in chosen.items():
        for kimg, path in grids:
            try:
                picture = read_picture(path, compress=compress)
            except OSError as error:
                problems.setdefault(position, []).append(f"samples/{clean(str(error))}")
                continue
            spent += len(picture.uri)
            if spent <= budget:
                pictures.setdefault(position, []).append(_entry(kimg, picture))
    real = _real([records[position] for position in pictures])
    return Grids(stops, pictures, real, problems, len(having) - len(pictures) - len(problems.keys() - pictures.keys()))


def choose_stops(places: Sequence[Sequence[float]], most: int) -> list[float]:
    """Give at most `most` (2 or more) kimg for the slider: those of all runs, near ones joined, first and last kept."""
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


def _choose(
    shown: dict[int, list[tuple[float, Path]]], budget: int, most_stops: int
) -> tuple[list[float], dict[int, list[tuple[float, Path]]], bool]:
    """Give the stops, for each run its grid nearest to each of them, and whether to compress, so that all fit."""
    places = [[kimg for kimg, _ in grids] for grids in shown.values()]
    for most in (most for most in (most_stops, 24, 16, 9, 6, 4, 3, 2) if most <= most_stops):
        stops = choose_stops(places, most)
        chosen = {
            position: sorted({min(grids, key=lambda grid: abs(grid[0] - stop)) for stop in stops})
            for position, grids in shown.items()
        }
        size = sum(min(_size(path), LARGEST) for grids in chosen.values() for _, path in grids) * 4 / 3
        for compress, share in ((False, 1.0), (True, 0.75)):
            if size * share <= budget:
                return stops, chosen, compress
    return stops, chosen, True


def _real(records: Sequence[Record]) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in records:
        dataset = record.config.get("dataset")
        name = clean(str(dataset.get("name") if isinstance(dataset, dict) else "data"))
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
