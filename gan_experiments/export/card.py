"""The page that stands beside an exported generator, and says how it came about."""

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

from gan_experiments.config.keys import PLACES, flat, within
from gan_experiments.formatting import Written, block, escape, floor, short, table
from gan_experiments.runs.run import Run
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import MetricValue


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its images are from the network's own."""

    files: list[str]  # without the card
    loader: str
    difference: float


def model_card(record: Run, generator: Sampler, exported: Exported, license: str | None) -> str:
    """Write the card in Markdown, with the front matter that model hubs read.

    It names no directory of this machine, and holds only values that were measured of this very checkpoint.
    """
    front = ["---", f"license: {json.dumps(license or 'unknown')}", "pipeline_tag: unconditional-image-generation"]
    lines = [*front, "tags: [gan, image-generation]", "---", "", f"# {escape(record.name)}", ""]
    lines += [_about(record, generator), "", f"Licence of these weights: {escape(license or 'not stated')}.", ""]
    lines += ["## Use", "", *_use(generator, exported)]
    lines += ["## Training", "", *_training(record, generator)]
    lines += ["## Measured", "", *_measured(record, generator)]
    return "\n".join(lines).rstrip() + "\n"


def _about(record: Run, generator: Sampler) -> str:
    _, height, width = generator.image_shape
    told = f"of {len(generator.class_names)} classes, as asked for" if generator.conditional else "of no chosen class"
    dataset = escape(str(record.flat_config.get("dataset.name")))
    notes = record.config.get("notes")
    about = f"The generator of a GAN trained on {dataset}: makes images of {height}×{width} pixels, {told}."
    return f"{about} {escape(str(notes))}" if notes else about


def _use(generator: Sampler, exported: Exported) -> list[str]:
    low, high = generator.value_range
    inputs = [["latents", f"float32, N×{generator.latents.dim}", generator.latents.describe()]]
    if generator.conditional:
        names = ", ".join(f"{label} {name}" for label, name in enumerate(generator.class_names))
        inputs.append(["labels", "int64, N", names])
    shape = "×".join(str(size) for size in ("N", *generator.image_shape))
    rows = [*inputs, ["images (output)", f"float32, {shape}", f"black is {low:g}, white {high:g}; values beyond: clip"]]
    told = "" if generator.conditional else " It takes no labels."
    return [
        *table(["", "shape", "values"], rows),
        f"8-bit pixels are `round(255 * clip((images {-low:+g}) / {high - low:g}, 0, 1))`.{told} Files: "
        f"{', '.join(f'`{name}`' for name in exported.files)}. `load.py`:",
        "",
        *block(exported.loader.rstrip(), "python"),
        f"When this was written, the images of these files differed from the network's own by at most "
        f"{exported.difference:.2g}, for batches of 1 and of 5 (torch {torch.__version__}, CPU).",
        "",
    ]


def _training(record: Run, generator: Sampler) -> list[str]:
    manifest = record.manifest
    data = record.manifest.data
    facts = {
        "experiment": manifest.experiment,
        "weights": f"{generator.weights}, at iteration {generator.iteration:,} ({generator.kimg:,.1f} kimg)",
        "state of the run": record.state,
        "data": f"{record.flat_config.get('dataset.name')}, {data.get('num_train')} training images, "
        f"fingerprint {data.get('fingerprint')}",
        "seed": manifest.seed,
        "parameters": ", ".join(f"{name} {count}" for name, count in record.manifest.parameters.items()),
        "software": ", ".join(f"{name} {version}" for name, version in record.manifest.versions.items()),
        "commit": record.commit() or "unknown",
        "machine": record.manifest.machine.get("processor"),
        "started": manifest.started,
    }
    words = [_shareable(str(word)) for word in manifest.overrides]
    command = shlex.join(["python", "-m", "gan_experiments", *filter(None, words)])
    config = {key: _without_places(value) for key, value in record.config.items() if not within(key, PLACES)}
    dataset = {key: value for key, value in record.group("dataset").items() if key not in ("path", "source")}
    return [
        *block(command, "bash"),
        *table(["", ""], [[name, value] for name, value in facts.items() if value not in (None, "")]),
        "The whole config, without what is local to the machine:",
        "",
        *block(_yaml({**config, "dataset": dataset}), "yaml"),
    ]


def _measured(record: Run, generator: Sampler) -> list[str]:
    found = [MetricValue.from_json(key, {"kimg": generator.kimg, **entry}) for key, entry in generator.measured.items()]
    known = {(value.key, value.protocol_hash): value for value in found} | record.measured(generator.iteration)
    # Those of single classes are left out: their mean is there.
    values = [value for value in known.values() if value.spec.part_of is None]
    chosen = []
    if record.best.get("iteration") == generator.iteration:
        key, at_best = escape(str(record.best.get("key"))), escape(short(record.best.get("value")))
        chosen = [f"Kept as the best checkpoint by {key}, {at_best} while training.", ""]
    if not values:
        return [*chosen, "Nothing else was measured of this checkpoint: `gan-experiments evaluate`, then export again."]
    rows = [
        [Written(f"`{escape(value.key)}`"), *map(short, (value.value, value.half_width)), floor(value),
         short(value.ceiling), "higher" if value.spec.higher_is_better else "lower",
         Written(f"`{value.protocol_hash}`")]
        for value in values
    ]  # fmt: skip
    return [
        *chosen,
        *table(["", "value", "± 95%", "floor", "ceiling", "better", "protocol"], rows),
        "± 95%: over sampling seeds. Floor: held-out real images in place of samples (* of fewer, which makes a FID "
        "larger). Ceiling: noise. A value can be "
        "compared with others of the same protocol alone. The first protocol, and in what the others differ from it:",
        "",
        *block(_protocols(values), "yaml"),
    ]


def _protocols(values: Iterable[MetricValue]) -> str:
    """Return the first protocol's facts, and of the others those that differ from it (null: it has none)."""
    facts = {value.protocol_hash: flat(value.protocol) for value in values}
    name, first = next(iter(facts.items()))
    differing = {
        other: {key: each.get(key) for key in {**first, **each} if each.get(key) != first.get(key)}
        for other, each in facts.items()
        if other != name
    }
    return _yaml({name: first, **differing})


def _yaml(value: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text.rstrip()


def _shareable(word: str) -> str:
    """Return an override as it may be shown elsewhere; empty where it only names a place on this machine."""
    key, equals, value = word.partition("=")
    return "" if within(key.lstrip("+~"), ("hydra", "sweep", *PLACES)) else f"{key}{equals}{_without_places(value)}"


def _without_places(value: Any) -> Any:
    """Leave of every absolute path in a config its last two parts: the rest tells of this machine alone."""
    if isinstance(value, dict):
        return {key: _without_places(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_places(entry) for entry in value]
    is_path = isinstance(value, str) and value.strip("'\"").startswith(("/", "~/"))
    return "/".join(Path(value.strip("'\"")).parts[-2:]) if is_path else value
