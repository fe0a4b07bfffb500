"""`evaluate` and `fit-extractor`."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_experiments.config.checks import cross_check
from gan_experiments.config.compose import compose, composition
from gan_experiments.config.instantiate import add_code_dirs, check_arguments, instantiate
from gan_experiments.formatting import floor, print_json, print_table, say, short
from gan_experiments.runs.run import Run
from gan_experiments.types import MetricValue, UserError


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys to measure otherwise: evaluation.num_samples=5000 ...")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="last, best, or the number of an iteration.")] = "last",
    parts: Annotated[bool, typer.Option(help="Show what details other values too, such as single classes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Measure a run's networks: all metrics with intervals over sampling seeds, floor, ceiling and protocol."""
    opened = Run.open(run)
    add_code_dirs(opened.config.get("code_dirs", []))
    config = _with_overrides(opened, overrides or [])
    check_arguments(config.evaluation, "evaluation")
    from gan_experiments.evaluation import evaluate_run  # torch takes seconds to import, and --help must not

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # which its import sets
    path, content, values = evaluate_run(opened, config, checkpoint)
    if as_json:
        print_json(content)
    else:
        _print(content, list(values.values()), parts)
        say(f"Written to {path}")


def fit_extractor(
    output: Annotated[Path, typer.Argument(help="The file of weights to write, NAME.safetensors.")],
    overrides: Annotated[list[str], typer.Argument(help="The data set: dataset=fmnist, data_dir=...")],
) -> None:
    """Train the classifier that measures a data set by the recipe of the shipped ones, and print its accuracy."""
    config = compose("model=dcgan", "loss=non_saturating", *overrides).config
    from gan_experiments.metrics.extractors.classifier import train_extractor

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # which its import sets
    source = instantiate(config.dataset.source, "dataset.source")
    accuracy = train_extractor(config.dataset.name, source, output)
    say(f"Accuracy on the test split: {accuracy}. Written to {output}")


PLACES = ("data_dir", "cache_dir", "dataset.path")


def _with_overrides(run: Run, overrides: list[str]) -> DictConfig:
    """Return the run's config with what this command line overrides: how to measure, and where data lie."""
    config = run.omegaconf()
    nothing = not config.evaluation.metrics  # a run that measured nothing
    if not overrides and not nothing:
        return config
    usual = "standard" if config.model.generator else "class_head"
    choice = usual if nothing else run.choices["evaluation"]
    composed = composition(f"evaluation={choice}", *overrides).config
    with open_dict(config):
        if nothing:
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


def _print(content: dict[str, Any], values: Sequence[MetricValue], parts: bool) -> None:
    weights = {value.protocol["weights"] for value in values if "weights" in value.protocol}
    seeds = len(content["seeds"])
    measured = f"the discriminator, with {seeds} seed{'s' * (seeds > 1)}"
    if weights:
        measured = f"{content['num_samples']:,} samples of the {'/'.join(weights)} generator for each of {seeds} seeds"
    say(f"{content['run']}, {content['checkpoint']}: {measured}")
    for measure in dict.fromkeys(key.partition("/")[2] for key in [*content["values"], *content["not_applicable"]]):
        rows = [
            [
                value.name,
                short(value.value) or "undefined",
                short(value.half_width, 2),
                floor(value),
                short(value.ceiling),
                "higher" if value.spec.higher_is_better else "lower",
            ]
            for value in values
            if value.extractor == measure and (parts or value.spec.part_of is None)
        ]
        absent = [key.partition("/")[0] for key in content["not_applicable"] if key.endswith(f"/{measure}")]
        rows += [[name, "n/a", "", "", "", ""] for name in absent]
        headers = ["value", "± 95%", "floor", "ceiling", "better"]
        print_table(["", *headers], rows, title=measure, right=",".join(headers))
    counts = {value.floor_count for value in values if value.floor_count is not None}
    held_out = "".join(f"{count:,} " for count in counts)
    anchored = any(value.ceiling is not None for value in values)
    explained = f" Floor: {held_out}held-out real images as samples. Ceiling: noise." if anchored else ""
    say(f"± 95%: over sampling seeds.{explained}")
    if any(count < content["num_samples"] for count in counts):
        equal = f"evaluation.num_samples={min(counts)}"
        say(f"* of fewer images than samples, which makes a FID larger: compare with {equal}.")
    for key, reason in content["not_applicable"].items():
        say(f"{key} is not applicable: {reason}.")
    for name, facts in content["extractors"].items():
        accuracy = short(facts["accuracy"]) or "unknown"
        say(f"{name}: weights {facts['weights']}, accuracy {accuracy}, input {facts['input']}")
