"""The model card beside an exported generator: how to use it, how it was trained, what was measured."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

from gan_experiments.config.keys import PLACES, within
from gan_experiments.formatting import short, show
from gan_experiments.reports import markdown
from gan_experiments.reports.blocks import Block, Code, Facts, Section, Table, Text
from gan_experiments.reports.sections import metrics
from gan_experiments.runs.run import Run
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import MetricValue


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its images are from the network's own."""

    files: list[str]  # without the card
    loader: str
    difference: float


def model_card(run: Run, generator: Sampler, exported: Exported, license: str | None) -> str:
    """Return the card in Markdown, with the front matter that model hubs read.

    It names no directory of this machine, and has only values that were measured of this very checkpoint.
    """
    front = [f"license: {json.dumps(license or 'unknown')}", "pipeline_tag: unconditional-image-generation"]
    first = "\n".join(["---", *front, "tags: [gan, image-generation]", "---", ""])
    head = [Text(_about(run, generator)), Text(f"Licence of these weights: {license or 'not stated'}.")]
    sections = [
        Section("use", "Use", _use(generator, exported)),
        Section("training", "Training", _training(run, generator)),
        Section("measured", "Measured", _measured(run, generator)),
    ]
    return markdown.render(run.name, head, sections, Path("README.md"), first)


def _about(run: Run, generator: Sampler) -> str:
    _, height, width = generator.image_shape
    classes = f"of {len(generator.class_names)} classes, by label" if generator.conditional else "without labels"
    dataset, notes = run.flat_config.get("dataset.name"), run.config.get("notes")
    about = f"The generator of a GAN trained on {dataset}: makes images of {height}×{width} pixels, {classes}."
    return f"{about} {notes}" if notes else about


def _use(generator: Sampler, exported: Exported) -> list[Block]:
    low, high = generator.value_range
    inputs = [["latents", f"float32, N×{generator.latents.dim}", generator.latents.describe()]]
    if generator.conditional:
        names = ", ".join(f"{label} {name}" for label, name in enumerate(generator.class_names))
        inputs.append(["labels", "int64, N", names])
    shape = "×".join(str(size) for size in ("N", *generator.image_shape))
    images = ["images (output)", f"float32, {shape}", f"black is {low:g}, white {high:g}; clip values beyond"]
    return [
        Table([("", ""), ("shape", ""), ("values", "")], [*inputs, images]),
        Text("" if generator.conditional else "It takes no labels."),
        Text("8-bit pixels:"),
        Code(f"round(255 * clip((images {-low:+g}) / {high - low:g}, 0, 1))"),
        Text(f"Files: {', '.join(exported.files)}. load.py:"),
        Code(exported.loader.rstrip(), "python"),
        Text(
            "When this was written, the images of these files differed from the network's own by at most "
            f"{exported.difference:.2g}, for batches of 1 and of 5 (torch {torch.__version__}, CPU)."
        ),
    ]


def _training(run: Run, generator: Sampler) -> list[Block]:
    manifest = run.manifest
    facts = {
        "experiment": manifest.experiment,
        "weights": f"{generator.weights}, at iteration {generator.iteration:,} ({generator.kimg:,.1f} kimg)",
        "state of the run": run.state,
        "data": f"{run.flat_config.get('dataset.name')}, {manifest.data.get('num_train')} training images, "
        f"fingerprint {manifest.data.get('fingerprint')}",
        "seed": manifest.seed,
        "parameters": ", ".join(f"{name} {count}" for name, count in manifest.parameters.items()),
        "software": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        "commit": run.commit() or "unknown",
        "machine": manifest.machine.get("processor"),
        "started": manifest.started,
    }
    words = [_shareable(str(word)) for word in manifest.overrides]
    dataset = {key: value for key, value in run.group("dataset").items() if key not in ("path", "source")}
    whole = {**run.config, "dataset": dataset}
    config = {key: _without_directories(value) for key, value in whole.items() if not within(key, PLACES)}
    return [
        Code(shlex.join(["python", "-m", "gan_experiments", *filter(None, words)]), "bash"),
        Facts({name: show(value) for name, value in facts.items() if value not in (None, "")}),
        Text("The whole config, without what is local to the machine:"),
        Code(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120).rstrip(), "yaml"),
    ]


def _measured(run: Run, generator: Sampler) -> list[Block]:
    own = [MetricValue.from_json(key, {"kimg": generator.kimg, **entry}) for key, entry in generator.measured.items()]
    known = {(value.key, value.protocol_hash): value for value in own} | run.measured(generator.iteration)
    values = [value for value in known.values() if value.spec.part_of is None]
    chosen: list[Block] = []
    if run.best.get("iteration") == generator.iteration:
        key, at_best = show(run.best.get("key")), short(run.best.get("value"))
        chosen = [Text(f"Kept as the best checkpoint by {key}, {at_best} while training.")]
    if not values:
        text = "Nothing else was measured of this checkpoint: run gan-experiments evaluate, then export again."
        return [*chosen, Text(text)]
    return [
        *chosen,
        metrics.table(values),
        Text(metrics.LEGEND),
        *metrics.protocol_blocks([(value.name, value.protocol) for value in values]),
    ]


def _shareable(word: str) -> str:
    """Return an override as it may be shown elsewhere; empty where it only names a path of this machine."""
    key, equals, value = word.partition("=")
    is_local = within(key.lstrip("+~"), ("hydra", "sweep", *PLACES))
    return "" if is_local else f"{key}{equals}{_without_directories(value)}"


def _without_directories(value: Any) -> Any:
    """Cut every absolute path in a config to its last two parts: the rest is local to this machine."""
    if isinstance(value, dict):
        return {key: _without_directories(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_directories(entry) for entry in value]
    is_path = isinstance(value, str) and value.strip("'\"").startswith(("/", "~/"))
    return "/".join(Path(value.strip("'\"")).parts[-2:]) if is_path else value
