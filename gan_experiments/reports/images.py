"""Pictures in HTML pages: which sample grids a page holds, so that it stays small."""

import base64
import io
import itertools
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_experiments.formatting import encodable
from gan_experiments.runs.run import Run

MOST_RUNS = 12
MOST_STOPS = 9
BUDGET = 8_000_000  # characters of all pictures in a page
LARGEST = 600_000  # bytes, about what a reduced picture takes
LONGEST_SIDE = 1200


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as an HTML page holds it."""

    uri: str  # data:image/...
    width: int  # pixels, as the page holds it
    reduced: bool  # smaller than its file, and compressed with losses


def read_picture(path: Path, longest_side: int = LONGEST_SIDE) -> EmbeddedPicture:
    """Read a picture for a page, pixel by pixel the same, or reduced to a longest side in pixels.

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
        reason = getattr(error, "strerror", None) or "it is no picture, or a part of one"
        raise OSError(f"{path.name} cannot be read: {reason}") from error
    reduced = max(image.size) > longest_side
    if reduced or kind != "PNG":
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)  # never larger
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", lossless=not reduced, quality=85)
        kind, content = "WEBP", buffer.getvalue()
    uri = f"data:image/{kind.lower()};base64,{base64.b64encode(content).decode()}"
    return EmbeddedPicture(uri, image.width, reduced)


@dataclass(frozen=True)
class Grids:
    """The sample grids that a page holds, by the positions of their runs."""

    stops: list[float]  # kimg, where the slider halts
    pictures: dict[int, list[dict[str, Any]]]  # kimg, uri, width, reduced
    real: dict[str, str]  # pictures of real images by data set
    problems: dict[int, list[str]]
    left_out: int  # runs with grids that are not shown


def gather(
    runs: Sequence[Run], most_runs: int = MOST_RUNS, budget: int = BUDGET, most_stops: int = MOST_STOPS
) -> Grids:
    """Choose grids of the first runs at common kimg, fewer where they are large, and read those that fit."""
    available = {position: grids for position, run in enumerate(runs) if (grids := run.grids)}
    shown = dict(itertools.islice(available.items(), most_runs))
    for most in (most_stops, *(fewer for fewer in (24, 16, 9, 6, 4, 3, 2) if fewer < most_stops)):
        stops = choose_stops([[kimg for kimg, _ in grids] for grids in shown.values()], most)
        chosen = [
            (position, *grid)
            for position, grids in shown.items()
            for grid in sorted({min(grids, key=lambda grid: abs(grid[0] - stop)) for stop in stops})
        ]
        if sum(min(path.stat().st_size if path.exists() else 0, LARGEST) for *_, path in chosen) * 4 / 3 <= budget:
            break
    pictures: dict[int, list[dict[str, Any]]] = {}
    problems: dict[int, list[str]] = {}
    for position, kimg, path in chosen:
        try:
            picture = read_picture(path)
        except OSError as error:
            problems.setdefault(position, []).append(f"samples/{encodable(str(error))}")
            continue
        budget -= len(picture.uri)
        if budget >= 0:
            pictures.setdefault(position, []).append({"kimg": kimg, **vars(picture)})
    real: dict[str, str] = {}
    for position in pictures:
        name = encodable(str(runs[position].flat_config.get("dataset.name", "data")))
        if name not in real and (uri := read_real(runs[position])):
            real[name] = uri
    return Grids(stops, pictures, real, problems, len(available.keys() - pictures.keys() - problems.keys()))


def choose_stops(kimgs: Sequence[Sequence[float]], most: int) -> list[float]:
    """At most `most` (2 or more) kimg for the slider: those of all runs, near ones joined, first and last kept."""
    every = sorted(itertools.chain(*kimgs))
    joined: list[list[float]] = []
    for kimg in every:
        if joined and kimg - joined[-1][0] <= every[-1] / 100:  # batches of other sizes end elsewhere
            joined[-1].append(kimg)
        else:
            joined.append([kimg])
    stops = [statistics.median_high(near) for near in joined]
    if len(stops) <= most:
        return stops
    return [stops[round(i * (len(stops) - 1) / (most - 1))] for i in range(most)]


def read_real(run: Run) -> str | None:
    """Return the run's picture of real images; None where there is none that can be read."""
    try:
        return read_picture(run.directory / "samples" / "real.png").uri
    except OSError:
        return None
