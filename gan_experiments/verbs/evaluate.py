"""`evaluate` and `fit-extractor`."""

import json
import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table

from gan_experiments.components import add_code_dirs, check_arguments
from gan_experiments.config import CONFIG_DIR, prepare, register_schema
from gan_experiments.runs import Run
from gan_experiments.types import UserError


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys to measure otherwise: evaluation.num_samples=5000 ...")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="last, best, or the number of an iteration.")] = "last",
    by_class: Annotated[bool, typer.Option(help="Show the values of single classes too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Measure a run's generator: all metrics with intervals over sampling seeds, floor, ceiling and protocol."""
    opened = Run.open(run, "RUN")
    add_code_dirs(opened.config.get("code_dirs", []))
    config = _with_overrides(opened, overrides or [])
    check_arguments(config.evaluation, "evaluation")
    from gan_experiments.measure import measure  # torch takes seconds to import, and --help must not

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # which its import sets
    path, found = measure(opened, config, checkpoint)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print_table(found, by_class)
        typer.echo(f"Written to {path}, the samples nearest to training images beside it.")


def fit_extractor(
    output: Annotated[Path, typer.Argument(help="The file of weights to write, NAME.safetensors.")],
    overrides: Annotated[list[str], typer.Argument(help="The data set: dataset=fmnist, data_dir=...")],
) -> None:
    """Train the classifier that measures a data set by the recipe of the shipped ones, and say its accuracy."""
    register_schema()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = prepare(compose("config", ["model=dcgan", "loss=non_saturating", *overrides]))
    from gan_experiments.preparation import train_extractor

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # which its import sets
    accuracy = train_extractor(config, output)
    typer.echo(f"Accuracy on the test split: {accuracy}. Written to {output}")


def _with_overrides(run: Run, overrides: list[str]) -> DictConfig:
    """Give the run's config; where evaluation is overridden, with the group that the command line composes to."""
    config = run.config
    for override in overrides:
        if not override.lstrip("+~").startswith("evaluation"):
            raise UserError(
                f"{override}: only keys of the evaluation group can be given here; a run stays what it was."
            )
    if not overrides and config.evaluation.metrics:
        return config
    given = ["evaluation=standard"]  # for a run that measured nothing
    if overrides:  # the run's own choices stay where this command line says nothing else
        own = [word for word in run.manifest["overrides"] if word.lstrip("+~").startswith("evaluation")]
        chosen = [f"evaluation={run.manifest['choices']['evaluation']}", *own, *overrides]
        given = list({word.partition("=")[0].lstrip("+"): word for word in chosen}.values())
    register_schema()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        composed = compose("config", given)
    with open_dict(config):
        config.evaluation = OmegaConf.to_container(composed.evaluation)
    OmegaConf.resolve(config)
    return config


def _print_table(found: dict[str, Any], by_class: bool) -> None:
    console = Console()
    console.print(f"{found['run']}, {found['checkpoint']}: {found['num_samples']:,} samples a seed", soft_wrap=True)
    measures = dict.fromkeys(key.partition("/")[2] for key in [*found["values"], *found["not_applicable"]])
    for measure in measures:
        table = Table(title=measure, title_justify="left")
        for column in ("", "value", "± 95%", "floor", "ceiling", "better"):
            table.add_column(column, justify="right" if column else "left", no_wrap=True)
        for key, entry in found["values"].items():
            name, _, of = key.partition("/")
            if of != measure or (name.startswith("class_fid_") and not by_class):
                continue
            low, high = entry.get("interval", (None, None))
            half = "" if low is None else f"{(high - low) / 2:.2g}"
            anchors = (_short(entry.get("floor")), _short(entry.get("ceiling")))
            better = "higher" if entry["higher_is_better"] else "lower"
            table.add_row(name, _short(entry["value"]) or "undefined", half, *anchors, better)
        for key in found["not_applicable"]:
            if key.endswith(f"/{measure}"):
                table.add_row(key.partition("/")[0], "n/a", "", "", "", "")
        console.print(table)
    counts = {entry["floor_count"] for entry in found["values"].values() if "floor_count" in entry}
    held_out = "".join(f"{count:,} " for count in counts)
    console.print(f"± 95%: over sampling seeds. Floor: {held_out}held-out real images as samples. Ceiling: noise.")
    for key, reason in found["not_applicable"].items():
        console.print(f"{key} is not applicable: {reason}.", soft_wrap=True)
    for name, facts in found["extractors"].items():
        about = f"weights {facts['weights']}, accuracy {_short(facts['accuracy']) or 'unknown'}, input {facts['input']}"
        console.print(f"{name}: {about}", soft_wrap=True)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
