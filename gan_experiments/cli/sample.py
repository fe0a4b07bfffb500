"""`sample`."""

import math
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_experiments.cli.paths import check_directory, check_file, new_directory, new_file, writing
from gan_experiments.formatting import print_json, print_table, say
from gan_experiments.io import write_json
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

if TYPE_CHECKING:  # torch takes seconds to import, and --help must not
    from gan_experiments.sampling.sampler import Sampler

COUNT = {True: 10, False: 100}  # of each class; of all where there are none
PER_BEST = 20  # images drawn for each that is kept
MOST = 10_000_000  # images drawn of a class: hours of work


class By(StrEnum):
    """What the best images are picked by."""

    discriminator = "discriminator"
    confidence = "class"
    extractor = "extractor"


DESCRIPTIONS = {
    By.discriminator: "the discriminator's score",
    By.confidence: "the discriminator's confidence in the class",
    By.extractor: "the extractor's confidence in the class",
}


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
            help="With --best: the share of those kept, and of all, that a separately trained classifier recognises.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents; image i of a class depends on it alone.")] = 0,
    truncation: Annotated[
        float | None,
        typer.Option(
            help="Above 0, at most 1: the truncation trick of BigGAN (Brock et al. 2019, section 3.1): entries of the "
            "latent beyond ± this are drawn again until none is, not rescaled. Fidelity for diversity. Left out: none "
            "(1 is not: it cuts at one standard deviation). For a generator with styles, psi: styles are moved "
            "towards their mean."
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
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written, and the scores, as JSON.")] = False,
) -> None:
    """Draw images from a run's generator: a grid, a PNG for each, or an npz file (images, labels, latents)."""
    if truncation is not None and not 0 < truncation <= 1:
        raise UserError(f"--truncation {truncation:g}: write a number above 0 and at most 1, or leave it out.")
    if output is not None and to in SUFFIXES and output.suffix != SUFFIXES[to]:
        raise UserError(f"-o {output}: --to {to.value} writes a {SUFFIXES[to]} file; give it that ending.")
    _check_best(num, best, of, by, judge)
    opened = Run.open(run)
    if output is not None:  # before what takes long
        _check_output(output, to, force, best is not None)
    from gan_experiments.inspection.scoring import build_recognition, build_score
    from gan_experiments.sampling.best import keep_best
    from gan_experiments.sampling.images import join, remove_files

    sampler = opened.generator(checkpoint, "raw" if raw else "averaged").to()
    labels = list(dict.fromkeys(map(sampler.label_of, classes or []))) or sampler.labels
    count = best or num or COUNT[sampler.conditional]
    of = of or min(count * PER_BEST, MOST)
    by = by or By.discriminator
    amount = f"best{best}of{of}-by_{by.value}" if best else f"n{count}"
    name = _name(sampler, labels if classes else [], amount, seed, truncation)
    target = output or opened.directory / "drawn" / f"{name}{SUFFIXES.get(to, '')}"
    _check_output(target, to, force, best is not None)
    scores = picked = None
    if best:
        score = build_score(opened, sampler, checkpoint, by.value)
        recognition = build_recognition(opened, sampler) if judge else None
        samples, scores, picked = keep_best(sampler, score, labels, best, of, seed, truncation, recognition)
        picked["by"] = by.value
    else:
        samples = join(list(sampler.class_blocks(labels, count, seed, truncation)))
    if to is Layout.files:
        with new_directory(target, force) as directory:
            samples.save_files(directory, sampler.class_names)
            remove_files(target.expanduser())
    else:
        file = new_file(target, force)
        with writing(file):
            if to is Layout.npz:
                samples.save_npz(file, sampler.class_names, scores)
            else:
                samples.save_grid(file, count if sampler.conditional else math.ceil(math.sqrt(count)))
    facts = {
        "images": len(samples),
        "seed": seed,
        "truncation": truncation,
        "weights": sampler.weights,
        "iteration": sampler.iteration,
        "kimg": sampler.kimg,
        "value_range": list(sampler.value_range),
        "share_clipped": samples.share_clipped,
        "picked": picked,
    }
    with writing(_scores_file(target)):
        if picked:
            write_json(_scores_file(target), facts)
        elif force:  # those of what was overwritten
            _scores_file(target).unlink(missing_ok=True)
    if as_json:
        print_json({"path": str(target), **facts})
    else:
        _report(facts, target)


def _check_best(num: int | None, best: int | None, of: int | None, by: By | None, judge: bool) -> None:
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
        raise UserError(
            "--judge: --by extractor already chooses by that classifier. Write --by discriminator or class."
        )


def _check_output(target: Path, to: Layout, force: bool, with_scores: bool) -> None:
    if to is Layout.files:
        check_directory(target, force)
    else:
        check_file(target, force)
    if with_scores:
        check_file(_scores_file(target), force)


def _scores_file(target: Path) -> Path:
    path = Path(os.path.abspath(target.expanduser()))  # noqa: PTH100  # without `..`, but links stay
    return path.with_name(f"{path.name}.json")


def _report(facts: dict[str, Any], target: Path) -> None:
    say(f"{facts['images']:,} images of the {facts['weights']} generator at {facts['kimg']:,.1f} kimg: {target}")
    if picked := facts["picked"]:
        scores = picked["scores"]
        each = " of each class" if scores[0]["class"] is not None else ""
        say(f"The best {picked['best']:,} of {picked['of']:,}{each}, best first, by {DESCRIPTIONS[picked['by']]}:")
        columns = {"best": "best", "worst kept": "worst_kept", "median of all": "median_of_all"}
        rows = [[one["class"] or "all", *(f"{one[key]:.4g}" for key in columns.values())] for one in scores]
        headers = ["class", *columns]
        if recognized := picked.get("recognized"):
            headers += ["recognised", "of all"]
            for row, one in zip(rows, scores, strict=True):
                row.extend([f"{one['recognized']:.1%}", f"{one['recognized_of_all']:.1%}"])
        print_table(headers, rows, right=",".join(headers[1:]))
        if recognized:
            say(
                f"{picked['judge']['name']}, trained separately, recognises {recognized['kept']:.1%} of these "
                f"and {recognized['all']:.1%} of all as {recognized['as']}."
            )
    if facts["share_clipped"]:
        say(f"{facts['share_clipped']:.2%} of its values lay outside {facts['value_range']} and were clipped.")


def _name(sampler: "Sampler", labels: list[int], amount: str, seed: int, truncation: float | None) -> str:
    """Name a file after all that its images depend on."""
    parts = [f"iteration_{sampler.iteration:09d}", amount, f"seed{seed}"]
    if labels:
        parts.append(f"class{'_'.join(map(str, labels))}")
    if truncation is not None:
        parts.append(f"truncation{truncation:g}")
    if sampler.weights == "raw":
        parts.append("raw")
    return "-".join(parts)
