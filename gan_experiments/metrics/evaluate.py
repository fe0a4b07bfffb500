"""The one function that measures a generator, used in training, afterwards and in sweeps."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn

from gan_experiments.io import cached, write_json
from gan_experiments.metrics.base import Metric, MetricInputs, Picture
from gan_experiments.metrics.discriminator import DiscriminatorProbe
from gan_experiments.metrics.distributed import as_in_first_process, from_first_process, rank_and_world_size
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.features import Images, noise
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.sampling.sampler import BLOCK_SIZE, shuffle
from gan_experiments.types import ImageSet, MetricValue, UserError


@dataclass
class Results:
    """Values of one evaluation, under keys `<metric>/<extractor>`."""

    values: dict[str, MetricValue] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)  # the reason, by `<name in the config>/<extractor>`
    seconds: dict[str, float] = field(default_factory=dict)  # of the parts
    pictures: dict[str, Picture] = field(default_factory=dict)
    share_clipped: float = 0.0  # of the samples' values, outside the value range


def evaluate(
    generator: nn.Module | None,
    protocol: Protocol,
    seed: int,
    discriminator: nn.Module | None = None,
    pictures: bool = False,
) -> Results:
    """Measure networks; a pure function of its arguments, which leaves them and random streams as they were.

    Several processes call it together: each makes its share of the samples, and all get the same results.

    Args:
        generator: latents (N×latent_dim) and labels (N) to images (N×C×H×W); None: the task has none.
        protocol: how to measure.
        seed: of latents, labels and all that a metric draws.
        discriminator: for metrics that look at it.
        pictures: also draw the pictures of metrics that have some.

    Raises:
        UserError: the generator returns values that are not finite, an extractor does not fit the images, or a metric
            reads what it does not declare.
    """
    images = sampler = None
    if generator is not None:
        sampler = protocol.sampler(as_in_first_process(generator))
        device = next(generator.parameters()).device
        for part in protocol.extractors.values():
            part.to(device)
        images = protocol.samples(sampler, seed)
        if any("samples" in of.depends_on and "discriminator" not in of.depends_on for of in protocol.metrics.values()):
            images.compute()
    if rank_and_world_size()[0] > 0:
        return from_first_process(None)
    results = Results()
    probe = None if discriminator is None else DiscriminatorProbe(discriminator, protocol, images, seed)
    for name, metric, extractor in protocol.in_order():
        inputs = MetricInputs(protocol, extractor, images, seed, sampler, probe)
        if _measure(name, metric, extractor, inputs, results) and pictures:
            results.pictures = {**metric.pictures(inputs), **results.pictures}
    if images is not None:
        results.share_clipped = images.share_clipped
        results.seconds = images.seconds | results.seconds
    return from_first_process(results)


def _measure(name: str, metric: Metric, extractor: Extractor | None, inputs: MetricInputs, results: Results) -> bool:
    """Add the values of a metric, or why there are none; return whether there are some."""
    began = time.perf_counter()
    protocol, measured_with = inputs.protocol, inputs.protocol.measured_with(metric, extractor)
    num_real = len(protocol.real.reference)
    if "samples" in metric.depends_on and num_real < metric.min_images:
        reason = f"it needs {metric.min_images} training images, and there are {num_real}"
    else:
        reason = metric.not_applicable(inputs)
    if reason:
        results.not_applicable[f"{name}/{measured_with}"] = reason
        return False
    for value_name, value in metric.compute(inputs).items():
        key, facts = f"{value_name}/{measured_with}", protocol.facts(extractor, metric, value_name)
        number = value if math.isfinite(value) else None
        results.values[key] = MetricValue(key, number, metric.spec(value_name), facts, by_seed=(number,))
    undeclared = inputs.dependencies - set(metric.depends_on)
    if undeclared:
        raise UserError(
            f"evaluation.metrics.{name} ({type(metric).__name__}) reads {', '.join(sorted(undeclared))}, which its "
            "depends_on does not declare, so the protocol of its values would not show it. Add it there."
        )
    results.seconds[f"{name}/{measured_with}"] = time.perf_counter() - began
    return True


def anchors(protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Measure held-out real images (`floor`) and noise (`ceiling`) as if they were samples, by key; kept on disk.

    `floor_count` is the number of held-out images: that of the samples, or all there are.
    """
    anchored: dict[str, dict[str, Any]] = {}
    extractors: list[Extractor | None] = [*protocol.extractors.values()] or [None]
    for extractor in extractors:
        metrics = {
            name: metric
            for name, metric, of in protocol.in_order()
            if metric.has_anchors
            and "samples" in metric.depends_on
            and "discriminator" not in metric.depends_on
            and (of is extractor or (of is None and extractor is extractors[0]))
        }
        facts = [
            protocol.real.facts,
            [[spec.name for spec in metric.specs] for metric in metrics.values()],
            *(protocol.facts(extractor, metric, metric.specs[0].name) for metric in metrics.values()),
        ]
        content = json.dumps(facts, sort_keys=True)
        path = protocol.cache_dir / f"anchors-{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
        measure = partial(_measure_anchors, protocol, metrics, extractor)
        anchored |= cached(path, lambda path: json.loads(path.read_text(encoding="utf-8")), measure, write_json)
    return anchored


def _measure_anchors(
    protocol: Protocol, metrics: Mapping[str, Metric], extractor: Extractor | None
) -> dict[str, dict[str, Any]]:
    extractors = [] if extractor is None else [extractor]
    shape = protocol.real.reference.read(torch.tensor([0])).shape[1:]
    stand_ins = {"ceiling": noise(shape, protocol.draw_labels(protocol.num_samples, 0), extractors, 0)}
    if protocol.real.held_out is not None:
        stand_ins["floor"] = _held_out(protocol, protocol.real.held_out, extractors)
    values: dict[str, dict[str, Any]] = {}
    for anchor, images in stand_ins.items():
        results = Results()
        for name, metric in metrics.items():
            if len(images.labels) >= metric.min_images:
                of = extractor if "extractor" in metric.depends_on else None
                _measure(name, metric, of, MetricInputs(protocol, of, images, 0), results)
        for key, value in results.values.items():
            if value.value is not None:  # noise may lack whole classes
                count = {"floor_count": len(images.labels)} if anchor == "floor" else {}
                values[key] = {**values.get(key, {}), anchor: value.value, **count}
    return values


def _held_out(protocol: Protocol, held_out: ImageSet, extractors: Sequence[Extractor]) -> Images:
    """Return the held-out images, at most as many as samples, in place of those."""
    order = shuffle(len(held_out))[: protocol.num_samples]

    def blocks(numbers: Sequence[int]) -> Iterator[tuple[Tensor, float]]:
        for block in numbers:
            yield held_out.read(order[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]), 0.0

    known = {of.name: protocol.features(of)["held_out"].take(slice(protocol.num_samples)) for of in extractors}
    return Images(blocks, held_out.labels[order], extractors, known=known)


def discriminator_scores(
    generator: nn.Module | None, discriminator: nn.Module, protocol: Protocol, seed: int, count: int = 1000
) -> dict[str, Tensor]:
    """Return the scores (float32, at most `count`) of `training`, `held_out` and `generated` images, to be looked at.

    Held-out images are missing where there are none, generated ones without a generator. Networks and random streams
    stay as they were.
    """
    images = None if generator is None else protocol.samples(protocol.sampler(generator), seed)
    probe = DiscriminatorProbe(discriminator, protocol, images, seed)
    scores = {"training": probe.scores("training", count)}
    if protocol.real.held_out is not None:
        scores["held_out"] = probe.scores("held_out", count)
    return scores | ({} if generator is None else {"generated": probe.scores("samples", count)})


def summarize(evaluations: Sequence[Results]) -> dict[str, MetricValue]:
    """Join evaluations with several seeds: the mean of each key, and its 95% interval by Student's t.

    A mean is undefined where a seed's value is. The interval is that of the drawing of samples alone: other seeds of
    training are other generators.
    """
    summary = {}
    for key, first in evaluations[0].values.items():
        by_seed = tuple(results.values[key].value for results in evaluations)
        numbers = [value for value in by_seed if value is not None]
        mean = sum(numbers) / len(numbers) if len(numbers) == len(by_seed) else None
        interval = None
        if mean is not None and len(numbers) > 1:
            low, high = (mean + float(t * stats.sem(numbers)) for t in stats.t.interval(0.95, len(numbers) - 1))
            interval = low, high
        summary[key] = replace(first, value=mean, interval=interval, by_seed=by_seed)
    return summary
