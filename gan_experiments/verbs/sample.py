"""`sample`."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_experiments.runs import Run
from gan_experiments.terminal import say
from gan_experiments.types import UserError
from gan_experiments.verbs.given import new_directory, new_file, open_record

if TYPE_CHECKING:  # torch takes seconds to import, and --help must not
    from gan_experiments.trained import TrainedGenerator

COUNT = {True: 10, False: 100}  # of each class; of all where there are none


class Layout(StrEnum):
    """What images are written as."""

    grid = "grid"
    files = "files"
    npz = "npz"


def sample(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    num: Annotated[
        int | None, typer.Option("--num", "-n", min=1, help="Images, of each class where there are classes (10; 100).")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="A class by name or number; may be repeated. Left out: all, a row of the grid each."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents; image i of a class depends on it alone.")] = 0,
    truncation: Annotated[
        float | None,
        typer.Option(
            help="Above 0, at most 1: the truncation trick of BigGAN (Brock et al. 2019, section 3.1): entries of the "
            "latent beyond ± this are drawn again until none is, not rescaled. Fidelity for diversity. Left out: a "
            "plain normal (1 is not: it cuts at one standard deviation)."
        ),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="last, best, or the number of an iteration.")] = "last",
    raw: Annotated[bool, typer.Option("--raw", help="The raw generator in place of the averaged (EMA) one.")] = False,
    to: Annotated[Layout, typer.Option(help="One PNG, a PNG for each image, or arrays.")] = Layout.grid,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file, or the directory of files. Left out: RUN/drawn/...")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Draw images from a run's generator: a grid, a PNG for each, or an npz file (images, labels, latents)."""
    if truncation is not None and not 0 < truncation <= 1:
        raise UserError(f"--truncation {truncation:g}: write a number above 0 and at most 1, or leave it out.")
    if output is not None and to in SUFFIXES and output.suffix != SUFFIXES[to]:
        raise UserError(f"-o {output}: --to {to.value} writes a {SUFFIXES[to]} file; give it that ending.")
    record = open_record(run)
    from gan_experiments import drawing
    from gan_experiments.trained import load_generator

    generator = load_generator(Run(record.directory, record.manifest), checkpoint, "raw" if raw else "averaged")
    labels = drawing.find_labels(generator, classes or [])
    count = num or COUNT[generator.conditional]
    name = _name(generator, labels if classes else [], count, seed, truncation)
    place = output or record.directory / "drawn" / (name if to is Layout.files else f"{name}{SUFFIXES[to]}")
    if to is Layout.files:
        with new_directory(place, force) as made:
            drawn = drawing.draw(generator, labels, count, seed, truncation)
            drawing.write_files(drawn, generator.class_names, made)
            drawing.remove_files(place.expanduser())
    else:
        file = new_file(place, force)
        drawn = drawing.draw(generator, labels, count, seed, truncation)
        try:
            if to is Layout.npz:
                drawing.write_npz(drawn, generator.class_names, file)
            else:
                drawing.write_grid(drawn, count if generator.conditional else math.ceil(math.sqrt(count)), file)
        except OSError as error:
            raise UserError(f"cannot write {file}: {error}. Name another place with -o.") from error
    say(f"{len(drawn.pixels):,} images of the {generator.weights} generator at {generator.kimg:,.1f} kimg: {place}")
    if drawn.share_clipped:
        say(f"{drawn.share_clipped:.2%} of its values lay outside {list(generator.value_range)} and were clipped.")


SUFFIXES = {Layout.grid: ".png", Layout.npz: ".npz"}


def _name(generator: "TrainedGenerator", labels: list[int], count: int, seed: int, truncation: float | None) -> str:
    """Name what is drawn after all that it depends on."""
    parts = [f"iteration_{generator.iteration:09d}", f"n{count}", f"seed{seed}"]
    if labels:
        parts.append(f"class{'_'.join(map(str, labels))}")
    if truncation is not None:
        parts.append(f"truncation{truncation:g}")
    if generator.weights == "raw":
        parts.append("raw")
    return "-".join(parts)
