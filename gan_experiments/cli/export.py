"""`export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gan_experiments.cli.paths import new_directory
from gan_experiments.formatting import say
from gan_experiments.runs.run import Run


class Format(StrEnum):
    """What a generator is exported as."""

    safetensors = "safetensors"
    onnx = "onnx"
    torchscript = "torchscript"


def export(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    to: Annotated[
        Format,
        typer.Option(
            help="safetensors: weights, with a torch.export graph that reads them; onnx: for ONNX Runtime; "
            "torchscript: a traced graph, for programs that load no other."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The directory to write. Left out: RUN/exports/...")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="last, best, or the number of an iteration.")] = "last",
    license: Annotated[
        str | None, typer.Option(help="Of the weights, for the card: an SPDX identifier such as MIT.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write a run's averaged generator for use without this package, with a loader and a model card.

    Inputs are latents (float32, N×latent_dim) and, where the generator takes them, labels (int64, N);
    N is any. The images of what was written are compared with the network's own: above 1e-5 nothing is kept.
    """
    record = Run.open(run)
    from gan_experiments.export import export as exporting

    exporting.check_installed(to.value)
    sampler = record.generator(checkpoint)
    target = output or record.directory / "exports" / f"iteration_{sampler.iteration:09d}-{to.value}"
    with new_directory(target, force) as directory:
        exported = exporting.export(sampler, record, to.value, license, directory)
    files = ", ".join([*exported.files, "README.md"])
    say(f"The {sampler.weights} generator at {sampler.kimg:,.1f} kimg: {target} ({files})")
    say(f"Its images differ from the network's own by {exported.difference:.2g} at most.")
