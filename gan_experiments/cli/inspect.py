"""`inspect`."""

import math
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_experiments.cli.paths import check_directory, new_directory
from gan_experiments.formatting import print_json, say
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError


class Part(StrEnum):
    """What is inspected."""

    perturbation = "perturbation"
    classes = "classes"
    layers = "layers"


def inspect(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    only: Annotated[
        list[Part] | None,
        typer.Option(
            "--only",
            metavar="PART",
            help="perturbation, classes or layers; may be repeated. Left out: all three, as far as can be.",
        ),
    ] = None,
    num: Annotated[int, typer.Option("--num", "-n", min=1, help="Real images that are altered.")] = 128,
    step: Annotated[
        str,
        typer.Option(
            help="How far a value may be moved in all, however many steps: a share of the range from black to white."
        ),
    ] = "10/255",
    steps: Annotated[
        int, typer.Option(min=1, help="In how many steps it is moved there; 1 is the fast gradient sign itself.")
    ] = 10,
    per_class: Annotated[int, typer.Option(min=1, help="Images made of each class.")] = 10,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="A layer by name; may be repeated. Left out: the middle and the last convolution."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Steps of ascent for the images that are made.")] = 150,
    regularization: Annotated[
        float, typer.Option(min=0, help="What holds those images near the mean image, and smooth; 0: nothing.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of images and of all noise.")] = 0,
    checkpoint: Annotated[str, typer.Option(help="last, best, or the number of an iteration.")] = "last",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The directory to write. Left out: RUN/inspection/...")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")] = False,
) -> None:
    """Look inside a run's discriminator: what fools it, and what its classes and layers respond to most.

    Writes perturbed.png, classes.png, layer_NAME.png and inspection.json to a directory in RUN/inspection.
    """
    share = _share(step)
    if not math.isfinite(regularization):
        raise UserError(f"--regularization {regularization}: write a number, 0 or more.")
    opened = Run.open(run)
    if output is not None:
        check_directory(output, force=None)
    from gan_experiments.inspection.inspect import Inspection, Settings, log_pictures, write  # torch takes seconds

    settings = Settings(
        num=num,
        step=share,
        steps=steps,
        per_class=per_class,
        layers=list(dict.fromkeys(layer or [])),
        iterations=iterations,
        regularization=regularization,
        seed=seed,
    )
    inspection = Inspection.open(opened, checkpoint, settings)
    parts, left_out = _parts(only or [], inspection.no_classes, layer is not None)
    target = output or opened.directory / "inspection" / inspection.directory_name(parts)
    if output is None:
        check_directory(target, force=True)
    facts, pictures = inspection.inspect(parts)
    facts = {"run": str(opened.directory), **facts, "left_out": left_out}
    with new_directory(target, force=output is None) as directory:
        write(facts, pictures, directory)
    logged = log_pictures(opened, target.expanduser(), inspection.trained.kimg)
    if as_json:
        print_json({**facts, "directory": str(target)})
    else:
        _print(facts)
        say(f"Written to {target}{', and logged to W&B' if logged else ''}")


def _share(word: str) -> float:
    try:
        share = float(Fraction(word))
    except (ValueError, ZeroDivisionError):
        share = 0.0
    if not 0 < share <= 1:
        raise UserError(f"--step {word}: write a share above 0 and at most 1 of the range of values, such as 8/255.")
    return share


def _parts(only: list[Part], no_classes: str, names_layers: bool) -> tuple[list[Part], dict[str, str]]:
    """Return what to inspect, and why the rest is left out; `no_classes` is the reason where there are no classes."""
    needing = [one for one in (Part.perturbation, Part.classes) if one in only]
    if needing and no_classes:
        raise UserError(
            f"--only {needing[0].value}: {no_classes}. Train one that knows classes (model=dcgan_class_head with "
            "loss=acgan, say), or write --only layers."
        )
    if only and names_layers and Part.layers not in only:
        raise UserError("--layer names a layer, but --only leaves layers out: add --only layers, or leave --layer out.")
    if only:
        return list(dict.fromkeys(only)), {}
    if not no_classes:
        return list(Part), {}
    return [Part.layers], {one.value: no_classes for one in (Part.perturbation, Part.classes)}


def _print(facts: dict[str, Any]) -> None:
    say(f"{facts['run']}, {facts['checkpoint']} ({facts['kimg']:,.1f} kimg)")
    if "perturbation" in facts:
        entry = facts["perturbation"]
        say(
            f"Perturbation: accuracy on {entry['num_images']:,} {entry['split']} images {entry['accuracy_before']:.1%} "
            f"before, {entry['accuracy_after']:.1%} after; no value moved by more than {entry['step'] * 255:.3g}/255."
        )
    if "classes" in facts:
        entry = facts["classes"]
        say(f"Class images: {entry['recognized_by_itself']:.1%} recognised by the discriminator itself as their class.")
        for name, shares in entry["judged"].items():
            low, high = shares["interval"]
            say(
                f"  {shares['share']:.1%} ({low:.1%} to {high:.1%}) recognised as asked by {name}, trained separately; "
                f"chance is {shares['chance']:.1%}."
            )
        if not entry["judged"]:
            say(f"  No separate classifier: {entry['not_judged']}.")
    for entry in facts.get("layers", []):
        say(f"Layer {entry['name']}: one image for {entry['drawn']} of {entry['channels']} channels.")
    for name, reason in facts["left_out"].items():
        say(f"Left out: {name} ({reason}).")
