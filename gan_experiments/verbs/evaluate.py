"""`evaluate` and `fit-extractor`."""

import json
import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table

from gan_experiments.checks import cross_check
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
    opened = Run.open(run, str(run))
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
        typer.echo(f"Written to {path}")


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


PLACES = ("data_dir", "cache_dir", "dataset.path")


def _with_overrides(run: Run, overrides: list[str]) -> DictConfig:
    """Give the run's config with what this command line overrides: how to measure, and where data lie.

    Raises:
        UserError: another key is overridden.
    """
    config = run.config
    standard = not config.evaluation.metrics  # a run that measured nothing
    if not overrides and not standard:
        return config
    choice = "standard" if standard else run.manifest["choices"]["evaluation"]
    register_schema()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        composed = compose("config", [f"evaluation={choice}", *overrides])
    with open_dict(config):
        if standard:
            config.evaluation = composed.evaluation
        for override in OverridesParser.create().parse_overrides(overrides=overrides):
            key = override.key_or_group.replace("evaluation/metric", "evaluation.metrics")
            key = key.replace("evaluation/extractor", "evaluation.extractors")
            if key in PLACES:
                OmegaConf.update(config, key, str(Path(str(override.value())).expanduser().absolute()))
            elif key.partition(".")[0] == "evaluation":
                OmegaConf.update(config, key, OmegaConf.select(composed, key), merge=False, force_add=True)
            else:
                raise UserError(
                    f"{override.input_line}: only evaluation and {', '.join(PLACES)} can be given here; a run stays "
                    "what it was."
                )
    OmegaConf.resolve(config)
    cross_check(config)
    return config


def _print_table(found: dict[str, Any], by_class: bool) -> None:
    console = Console()
    console.print(f"{found['run']}, {found['checkpoint']}: {_drawn(found)}", soft_wrap=True)
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
            fewer = entry.get("floor_count", found["num_samples"]) < found["num_samples"]
            floor = _short(entry.get("floor")) + "*" * ("floor" in entry and fewer)
            anchors = (floor, _short(entry.get("ceiling")))
            better = "higher" if entry["higher_is_better"] else "lower"
            table.add_row(name, _short(entry["value"]) or "undefined", half, *anchors, better)
        for key in found["not_applicable"]:
            if key.endswith(f"/{measure}"):
                table.add_row(key.partition("/")[0], "n/a", "", "", "", "")
        console.print(table)
    counts = {entry["floor_count"] for entry in found["values"].values() if "floor_count" in entry}
    held_out = "".join(f"{count:,} " for count in counts)
    console.print(f"± 95%: over sampling seeds. Floor: {held_out}held-out real images as samples. Ceiling: noise.")
    if any(count < found["num_samples"] for count in counts):
        equal = f"evaluation.num_samples={min(counts)}"
        console.print(
            f"* of fewer images than samples, which makes a FID larger: compare with {equal}.", soft_wrap=True
        )
    for key, reason in found["not_applicable"].items():
        console.print(f"{key} is not applicable: {reason}.", soft_wrap=True)
    for name, facts in found["extractors"].items():
        about = f"weights {facts['weights']}, accuracy {_short(facts['accuracy']) or 'unknown'}, input {facts['input']}"
        console.print(f"{name}: {about}", soft_wrap=True)


def _drawn(found: dict[str, Any]) -> str:
    weights = {entry["protocol"]["weights"] for entry in found["values"].values()}
    seeds = len(found["seeds"])
    return f"{found['num_samples']:,} samples of the {'/'.join(weights)} generator for each of {seeds} seeds"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:.4g}"  # no -0
