"""`sample`."""

import math
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_experiments.cli.paths import check_directory, check_file, new_directory, new_file, open_record, writing
from gan_experiments.formatting import print_json, print_table, say
from gan_experiments.io import write_json
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

if TYPE_CHECKING:  # torch takes seconds to import, and --help must not
    from gan_experiments.sampling.best import Choice, Standing
    from gan_experiments.sampling.draw import Drawn
    from gan_experiments.sampling.sampler import TrainedGenerator

COUNT = {True: 10, False: 100}  # of each class; of all where there are none
PER_BEST = 20  # images drawn for each that is kept
MOST = 10_000_000  # images drawn of a class: hours of work


class By(StrEnum):
    """What the best images are picked by."""

    discriminator = "discriminator"
    confidence = "class"
    extractor = "extractor"


class Layout(StrEnum):
    """What images are written as."""

    grid = "grid"
    files = "files"
    npz = "npz"


SUFFIXES = {Layout.grid: ".png", Layout.npz: ".npz"}


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
    best: Annotated[
        int | None,
        typer.Option(min=1, help="Keep the best so many, of each class where there are classes, best first."),
    ] = None,
    of: Annotated[
        int | None,
        typer.Option(min=1, help=f"Images to pick the best from, at most {MOST:,} ({PER_BEST} for each that is kept)."),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="The best by the discriminator's score (default), its class head's confidence in the class asked for, "
            "or that of the run's extractor; where the generator takes no label, in the likeliest one trained on."
        ),
    ] = None,
    judge: Annotated[
        bool,
        typer.Option(
            "--judge",
            help="With --best: say what share of those kept, and of all, a separately trained classifier recognises.",
        ),
    ] = False,
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
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file, or the directory of files; RUN/drawn/... if left out. Scores go to NAME.json beside it.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written, and the scores, as JSON.")] = False,
) -> None:
    """Draw images from a run's generator: a grid, a PNG for each, or an npz file (images, labels, latents)."""
    if truncation is not None and not 0 < truncation <= 1:
        raise UserError(f"--truncation {truncation:g}: write a number above 0 and at most 1, or leave it out.")
    if output is not None and to in SUFFIXES and output.suffix != SUFFIXES[to]:
        raise UserError(f"-o {output}: --to {to.value} writes a {SUFFIXES[to]} file; give it that ending.")
    _check_choice(num, best, of, by, judge)
    record = open_record(run)
    if output is not None:  # before what takes long
        _check_place(output, to, force, best is not None)
    from gan_experiments.inspection.judges import kept_labels
    from gan_experiments.inspection.scoring import make_recognizer, make_scorer
    from gan_experiments.runs.load import load_generator
    from gan_experiments.sampling import best as picking
    from gan_experiments.sampling import draw as drawing

    chosen = picking.Choice(best, of or min(best * PER_BEST, MOST), (by or By.discriminator).value) if best else None
    opened = Run(record.directory, record.manifest)
    generator = load_generator(opened, checkpoint, "raw" if raw else "averaged")
    trained = kept_labels(opened.config) if generator.conditional else []
    labels = drawing.find_labels(generator, classes or [], trained)
    count = chosen.best if chosen else num or COUNT[generator.conditional]
    amount = f"best{chosen.best}of{chosen.of}-by_{chosen.by}" if chosen else f"n{count}"
    name = _name(generator, labels if classes else [], amount, seed, truncation)
    place = output or record.directory / "drawn" / f"{name}{SUFFIXES.get(to, '')}"
    _check_place(place, to, force, best is not None)
    scorer = make_scorer(opened, generator, checkpoint, chosen.by) if chosen else None
    recognizer, judging = make_recognizer(opened, generator) if chosen and judge else (None, {})

    def make() -> "tuple[Drawn, list[Standing]]":
        if chosen is None or scorer is None:
            return drawing.draw(generator, labels, count, seed, truncation), []
        return picking.pick(generator, scorer, labels, chosen, seed, truncation, recognizer)

    columns = count if generator.conditional else math.ceil(math.sqrt(count))
    drawn, standings = _write(make, to, place, force, generator.class_names, columns)
    facts = {
        "images": len(drawn.pixels),
        "seed": seed,
        "truncation": truncation,
        "weights": generator.weights,
        "iteration": generator.iteration,
        "kimg": generator.kimg,
        "value_range": list(generator.value_range),
        "share_clipped": drawn.share_clipped,
        "picked": picking.describe(chosen, standings, judging, generator) if chosen else None,
    }
    with writing(_beside(place)):
        if chosen:
            write_json(_beside(place), facts)
        elif force:  # those of what was overwritten
            _beside(place).unlink(missing_ok=True)
    if as_json:
        print_json({"path": str(place), **facts})
    else:
        _tell(facts, chosen, place)


def _check_choice(num: int | None, best: int | None, of: int | None, by: By | None, judge: bool) -> None:
    if best is None:
        for word, given in {"of": of is not None, "by": by is not None, "judge": judge}.items():
            if given:
                raise UserError(f"--{word} is about the best images: add --best K, how many to keep.")
        return
    if num is not None:
        raise UserError(f"--num {num} and --best {best}: --best says how many are kept, --of how many are drawn.")
    if best > MOST or (of or 0) > MOST:
        raise UserError(f"--{'best' if best > MOST else 'of'}: write {MOST} or less; more are never drawn.")
    if of is not None and best > of:
        raise UserError(f"--best {best} --of {of}: there are only {of} to pick from. Write --of {best} or more.")
    if judge and by is By.extractor:
        raise UserError("--judge: --by extractor has that judge pick the images. Write --by discriminator or class.")


def _check_place(place: Path, to: Layout, force: bool, picked: bool) -> None:
    if to is Layout.files:
        check_directory(place, force)
    else:
        check_file(place, force)
    if picked:
        check_file(_beside(place), force)


def _beside(place: Path) -> Path:
    """Name the file of scores of what is drawn."""
    path = Path(os.path.abspath(place.expanduser()))  # noqa: PTH100  # without `..`, but links stay
    return path.with_name(f"{path.name}.json")


def _write(
    make: "Callable[[], tuple[Drawn, list[Standing]]]",
    to: Layout,
    place: Path,
    force: bool,
    class_names: Sequence[str],
    columns: int,
) -> "tuple[Drawn, list[Standing]]":
    from gan_experiments.sampling import draw as drawing

    if to is Layout.files:
        with new_directory(place, force) as made:
            drawn, standings = make()
            drawing.write_files(drawn, class_names, made)
            drawing.remove_files(place.expanduser())
        return drawn, standings
    file = new_file(place, force)
    drawn, standings = make()
    with writing(file):
        if to is Layout.npz:
            drawing.write_npz(drawn, class_names, file)
        else:
            drawing.write_grid(drawn, columns, file)
    return drawn, standings


def _tell(facts: dict[str, Any], chosen: "Choice | None", place: Path) -> None:
    say(f"{facts['images']:,} images of the {facts['weights']} generator at {facts['kimg']:,.1f} kimg: {place}")
    if chosen:
        from gan_experiments.sampling.best import SCORES

        scores = facts["picked"]["scores"]
        each = " of each class" if scores[0]["class"] is not None else ""
        say(f"The best {chosen.best:,} of {chosen.of:,}{each}, best first, by {SCORES[chosen.by]}:")
        columns = {"best": "best", "worst kept": "worst_kept", "median of all": "median_of_all"}
        rows = [[one["class"] or "all", *(f"{one[key]:.4g}" for key in columns.values())] for one in scores]
        headers = ["class", *columns]
        if judged := facts["picked"].get("recognized"):
            headers += ["recognised", "of all"]
            for row, one in zip(rows, scores, strict=True):
                row.extend([f"{one['recognized']:.1%}", f"{one['recognized_of_all']:.1%}"])
        print_table(headers, rows, right=",".join(headers[1:]))
        if judged:
            say(
                f"{facts['picked']['judge']['name']}, trained separately, recognises {judged['kept']:.1%} of these and "
                f"{judged['all']:.1%} of all as {judged['as']}."
            )
    if facts["share_clipped"]:
        say(f"{facts['share_clipped']:.2%} of its values lay outside {facts['value_range']} and were clipped.")


def _name(generator: "TrainedGenerator", labels: list[int], amount: str, seed: int, truncation: float | None) -> str:
    """Name what is drawn after all that it depends on."""
    parts = [f"iteration_{generator.iteration:09d}", amount, f"seed{seed}"]
    if labels:
        parts.append(f"class{'_'.join(map(str, labels))}")
    if truncation is not None:
        parts.append(f"truncation{truncation:g}")
    if generator.weights == "raw":
        parts.append("raw")
    return "-".join(parts)
