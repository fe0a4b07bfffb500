"""The one function that measures a generator, used in training, afterwards and in sweeps."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn

from gan_experiments.datasets.loader import pixel_blocks
from gan_experiments.io import write_json
from gan_experiments.metrics.base import Case, Measure, Metric
from gan_experiments.metrics.discriminator import DiscriminatorJudge
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.features import Seen, look
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.sampling.sampler import noise_blocks, shuffle
from gan_experiments.types import MetricValue


@dataclass
class Results:
    """Values of one evaluation, under keys `<metric>/<extractor>`."""

    values: dict[str, MetricValue] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)  # the reason, by `<name in the config>/<extractor>`
    seconds: dict[str, float] = field(default_factory=dict)  # of the parts
    share_clipped: float = 0.0  # of the samples' values, outside the value range


def evaluate(
    generator: nn.Module | None, protocol: Protocol, seed: int, discriminator: nn.Module | None = None
) -> Results:
    """Measure networks; a pure function of its arguments, which leaves them and random streams as they were.

    Args:
        generator: latents (N×latent_dim) and labels (N) to images (N×C×H×W); None: the task has none.
        protocol: how to measure.
        seed: of latents, labels and all that a metric draws.
        discriminator: for metrics that look at it.

    Raises:
        UserError: the generator gives values that are not finite, or an extractor does not fit the images.
    """
    results = Results()
    if generator is not None and protocol.sample_metrics:
        _measure_samples(generator, protocol, seed, results)
    for name, metric in protocol.discriminator_metrics.items():
        reason = "no discriminator was given"
        if discriminator is not None:
            judge = DiscriminatorJudge(discriminator, generator, protocol, seed)
            reason = metric.applies(judge)
        if reason:
            results.not_applicable[f"{name}/{metric.measure}"] = reason
            continue
        began = time.perf_counter()
        _write(name, metric, metric.compute(judge), None, protocol, results, began)
    return results


def _measure_samples(generator: nn.Module, protocol: Protocol, seed: int, results: Results) -> None:
    device = next(generator.parameters()).device
    extractors = [extractor.to(device) for extractor in protocol.extractors.values()]
    for extractor in extractors:
        protocol.seen(extractor)
    began = time.perf_counter()
    labels = protocol.sample_labels(seed)
    clipped: list[float] = []
    samples = look(_timed(_pixels(generator, protocol, labels, seed, clipped), results), labels, extractors)
    results.share_clipped = sum(clipped) / len(labels)
    results.seconds["features"] = time.perf_counter() - began - results.seconds["samples"]
    for position, (extractor, seen) in enumerate(zip(extractors, samples, strict=True)):
        case = _case(protocol, extractor, seen, seed)
        case.pixels = lambda: torch.cat(list(_pixels(generator, protocol, labels, seed, [])))
        for name, metric in protocol.sample_metrics.items():
            if metric.measure is None or position == 0:
                _measure(name, metric, extractor, case, protocol, results)


def anchors(protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Measure held-out real images (`floor`) and noise (`ceiling`) as if they were samples, by key; kept on disk.

    `floor_count` is the number of held-out images: that of the samples, or all there are.
    """
    found: dict[str, dict[str, Any]] = {}
    labels = protocol.sample_labels(0)
    shape = protocol.real.reference.read(torch.tensor([0])).shape[1:]
    for extractor in protocol.extractors.values():
        metrics = {name: metric for name, metric in protocol.sample_metrics.items() if metric.has_anchors}
        facts = [
            protocol.real.facts,
            [[spec.name for spec in metric.specs] for metric in metrics.values()],
            *(protocol.facts(extractor, metric, metric.specs[0].name) for metric in metrics.values()),
        ]
        content = json.dumps(facts, sort_keys=True)
        path = protocol.cache_dir / f"anchors-{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            held_out = protocol.seen(extractor).get("held_out")
            (noise,) = look(noise_blocks(shape, len(labels), 0), labels, [extractor])
            sets = {"ceiling": noise} | ({} if held_out is None else {"floor": held_out.take(slice(len(labels)))})
            kept: dict[str, dict[str, float]] = {}
            for name, seen in sets.items():
                results = Results()
                case = _case(protocol, extractor, seen, 0)
                case.pixels = partial(_anchor_pixels, protocol, name, len(seen))
                for metric_name, metric in metrics.items():
                    if len(seen) >= metric.fewest:
                        _measure(metric_name, metric, extractor, case, protocol, results)
                for key, value in results.values.items():
                    if value.value is None:  # noise may lack whole classes
                        continue
                    kept.setdefault(key, {})[name] = value.value
                    if name == "floor":
                        kept[key]["floor_count"] = len(seen)
            protocol.cache_dir.mkdir(parents=True, exist_ok=True)
            write_json(path, kept)
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found


def _anchor_pixels(protocol: Protocol, name: str, count: int) -> Tensor:
    """Return the first `count` images of an anchor again, as uint8."""
    if name == "floor":
        assert protocol.real.held_out is not None
        return protocol.real.held_out.read(shuffle(len(protocol.real.held_out))[:count])
    shape = protocol.real.reference.read(torch.tensor([0])).shape[1:]
    return torch.cat(list(noise_blocks(shape, count, 0)))


def discriminator_scores(
    generator: nn.Module | None, discriminator: nn.Module, protocol: Protocol, seed: int, count: int = 1000
) -> dict[str, Tensor]:
    """Return the scores (float32, at most `count`) of `training`, `held_out` and `generated` images, to be looked at.

    Held-out images are missing where there are none, generated ones without a generator. Networks and random streams
    stay as they were.
    """
    judge = DiscriminatorJudge(discriminator, generator, protocol, seed)
    scores = {"training": judge.scores("training", count)}
    if judge.has_held_out:
        scores["held_out"] = judge.scores("held_out", count)
    return scores | ({"generated": judge.scores("samples", count)} if judge.has_generator else {})


def summarize(evaluations: Sequence[Results]) -> dict[str, MetricValue]:
    """Join evaluations with several seeds: the mean of each key, and its 95% interval by Student's t.

    A mean is undefined where a seed's value is. The interval is that of the drawing of samples alone: other seeds of
    training are other generators.
    """
    return {key: _mean([results.values[key] for results in evaluations]) for key in evaluations[0].values}


def _mean(values: Sequence[MetricValue]) -> MetricValue:
    by_seed = tuple(value.value for value in values)
    numbers = [value for value in by_seed if value is not None]
    if len(numbers) < len(values):
        return replace(values[0], value=None, by_seed=by_seed)
    mean, interval = sum(numbers) / len(numbers), None
    if len(numbers) > 1:
        low, high = (mean + float(t * stats.sem(numbers)) for t in stats.t.interval(0.95, len(numbers) - 1))
        interval = low, high
    return replace(values[0], value=mean, interval=interval, by_seed=by_seed)


def _measure(name: str, metric: Metric, extractor: Extractor, case: Case, protocol: Protocol, results: Results) -> None:
    began = time.perf_counter()
    measure = metric.measure or extractor.name
    reason = metric.applies(case)
    if len(case.reference) < metric.fewest:
        reason = f"it needs {metric.fewest} training images, and there are {len(case.reference)}"
    if reason:
        results.not_applicable[f"{name}/{measure}"] = reason
        return
    _write(name, metric, metric.compute(case), extractor, protocol, results, began)


def _write(
    name: str,
    metric: Measure,
    values: dict[str, float],
    extractor: Extractor | None,
    protocol: Protocol,
    results: Results,
    began: float,
) -> None:
    measure = metric.measure or (extractor.name if extractor else None)
    for value_name, value in values.items():
        key, facts = f"{value_name}/{measure}", protocol.facts(extractor, metric, value_name)
        number = value if math.isfinite(value) else None
        results.values[key] = MetricValue(key, number, metric.spec(value_name), facts, by_seed=(number,))
    results.seconds[f"{name}/{measure}"] = time.perf_counter() - began


def _case(protocol: Protocol, extractor: Extractor, samples: Seen, seed: int) -> Case:
    seen = protocol.seen(extractor)
    return Case(
        samples=samples,
        reference=seen["reference"],
        training=seen["training"],
        held_out=seen.get("held_out"),
        conditional=protocol.conditional,
        knows_classes=extractor.knows_classes,
        class_names=protocol.real.class_names,
        seed=seed,
        reference_pixels=lambda: pixel_blocks(protocol.real.reference),
        fit=protocol.fit,
    )


def _pixels(
    generator: nn.Module, protocol: Protocol, labels: Tensor, seed: int, clipped: list[float]
) -> Iterator[Tensor]:
    for samples in protocol.sampler(generator).blocks(labels, seed):
        clipped.append(samples.share_clipped * len(samples))
        yield samples.pixels


def _timed(blocks: Iterator[Tensor], results: Results) -> Iterator[Tensor]:
    results.seconds["samples"] = 0.0
    while True:
        began = time.perf_counter()
        block = next(blocks, None)
        results.seconds["samples"] += time.perf_counter() - began
        if block is None:
            return
        yield block
