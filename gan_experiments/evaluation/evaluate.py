"""The one function that measures a generator, used in training, afterwards and in sweeps."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn

from gan_experiments.evaluation.extractors.base import Extractor
from gan_experiments.evaluation.features import Seen, look
from gan_experiments.evaluation.metrics.base import Case, Metric
from gan_experiments.evaluation.protocol import Protocol
from gan_experiments.evaluation.sampling import BLOCK_SIZE, evaluating, noise_blocks, sample_blocks, shuffle
from gan_experiments.files import write_json
from gan_experiments.types import ImageSet


@dataclass
class Results:
    """Values of one evaluation, under keys `<metric>/<extractor>`."""

    values: dict[str, float] = field(default_factory=dict)  # nan where a value is undefined
    protocols: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the same keys
    higher_is_better: dict[str, bool] = field(default_factory=dict)  # by the same keys
    not_applicable: dict[str, str] = field(default_factory=dict)  # the reason, by `<name in the config>/<extractor>`
    seconds: dict[str, float] = field(default_factory=dict)  # of the parts
    share_clipped: float = 0.0  # of the samples' values, outside the value range


def evaluate(generator: nn.Module, protocol: Protocol, seed: int, discriminator: nn.Module | None = None) -> Results:
    """Measure a generator; a pure function of its arguments, which leaves networks and random streams as they were.

    Args:
        generator: latents (N×latent_dim) and labels (N) to images (N×C×H×W).
        protocol: how to measure.
        seed: of latents, labels and all that a metric draws.
        discriminator: for metrics that look at it.

    Raises:
        UserError: the generator gives values that are not finite, or an extractor does not fit the images.
    """
    results = Results()
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
        if discriminator is not None:
            case.score = _Scorer(generator, discriminator, protocol, labels, seed)
        for name, metric in protocol.metrics.items():
            if metric.measure is None or position == 0:
                _measure(name, metric, extractor, case, protocol, results)
    return results


def anchors(protocol: Protocol) -> dict[str, dict[str, float]]:
    """Measure held-out real images (`floor`) and noise (`ceiling`) as if they were samples, by key; kept on disk.

    `floor_count` is the number of held-out images: that of the samples, or all there are.
    """
    found: dict[str, dict[str, float]] = {}
    labels = protocol.sample_labels(0)
    shape = protocol.real.reference.read(torch.tensor([0])).shape[1:]
    for extractor in protocol.extractors.values():
        metrics = {name: metric for name, metric in protocol.metrics.items() if metric.has_anchors}
        facts = [protocol.real.facts(), *(protocol.facts(extractor, metric) for metric in metrics.values())]
        content = json.dumps(facts, sort_keys=True)
        path = protocol.cache_dir / f"anchors-{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            held_out = protocol.seen(extractor).get("held_out")
            (noise,) = look((pixels for pixels, _ in noise_blocks(shape, len(labels), 0)), labels, [extractor])
            sets = {"ceiling": noise} | ({} if held_out is None else {"floor": held_out.take(slice(len(labels)))})
            kept: dict[str, dict[str, float]] = {}
            for name, seen in sets.items():
                results = Results()
                for metric_name, metric in metrics.items():
                    if len(seen) >= metric.fewest:
                        _measure(metric_name, metric, extractor, _case(protocol, extractor, seen, 0), protocol, results)
                for key, value in results.values.items():
                    if not math.isfinite(value):  # noise may lack whole classes
                        continue
                    kept.setdefault(key, {})[name] = value
                    if name == "floor":
                        kept[key]["floor_count"] = len(seen)
            protocol.cache_dir.mkdir(parents=True, exist_ok=True)
            write_json(path, kept)
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found


def discriminator_scores(
    generator: nn.Module, discriminator: nn.Module, protocol: Protocol, seed: int, count: int = 1000
) -> dict[str, Tensor]:
    """Give the scores (float32, at most `count`) of `training`, `held_out` and `generated` images, to be looked at.

    Held-out images are missing where there are none. Networks and random streams stay as they were.
    """
    score = _Scorer(generator, discriminator, protocol, protocol.sample_labels(seed), seed)
    scores = {"training": score("training", count)}
    if protocol.real.held_out is not None:
        scores["held_out"] = score("held_out", count)
    return scores | {"generated": score("samples", count)}


def summarize(evaluations: Sequence[Results]) -> dict[str, dict[str, Any]]:
    """Join evaluations with several seeds: the mean of each key, and its 95% interval by Student's t.

    A value that is undefined for a seed is None. The interval speaks of the drawing of samples alone: other seeds of
    training are other generators.
    """
    summary = {}
    for key in evaluations[0].values:
        values = [results.values[key] for results in evaluations]
        mean = sum(values) / len(values)
        defined = math.isfinite(mean)
        entry: dict[str, Any] = {"value": mean if defined else None, "num_seeds": len(values)}
        if defined and len(values) > 1:
            half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
            entry["interval"] = [mean - half, mean + half]
        entry["by_seed"] = [value if math.isfinite(value) else None for value in values]
        entry["higher_is_better"] = evaluations[0].higher_is_better[key]
        summary[key] = entry | {"protocol": evaluations[0].protocols[key]}
    return summary


def _measure(name: str, metric: Metric, extractor: Extractor, case: Case, protocol: Protocol, results: Results) -> None:
    began = time.perf_counter()
    measure = metric.measure or extractor.name
    reason = metric.applies(case)
    if len(case.reference) < metric.fewest:
        reason = f"it needs {metric.fewest} training images, and there are {len(case.reference)}"
    if reason:
        results.not_applicable[f"{name}/{measure}"] = reason
        return
    facts = protocol.facts(extractor, metric)
    for value_name, value in metric.compute(case).items():
        results.values[f"{value_name}/{measure}"] = value
        results.protocols[f"{value_name}/{measure}"] = facts
        results.higher_is_better[f"{value_name}/{measure}"] = value_name in metric.higher
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
        fit=protocol.fit,
    )


def _pixels(
    generator: nn.Module, protocol: Protocol, labels: Tensor, seed: int, clipped: list[float]
) -> Iterator[Tensor]:
    blocks = sample_blocks(generator, protocol.latent_dim, labels, protocol.value_range, seed, protocol.batch_size)
    for pixels, share in blocks:
        clipped.append(share * len(pixels))
        yield pixels


def _timed(blocks: Iterator[Tensor], results: Results) -> Iterator[Tensor]:
    results.seconds["samples"] = 0.0
    while True:
        began = time.perf_counter()
        block = next(blocks, None)
        results.seconds["samples"] += time.perf_counter() - began
        if block is None:
            return
        yield block


@dataclass
class _Scorer:
    """Runs the first images of a set through the discriminator, in evaluation mode."""

    generator: nn.Module
    discriminator: nn.Module
    protocol: Protocol
    labels: Tensor
    seed: int

    def __call__(self, name: Literal["training", "held_out", "samples"], count: int) -> Tensor:
        protocol = self.protocol
        if name == "samples":
            labels = self.labels[:count]
            blocks = _pixels(self.generator, protocol, labels, self.seed, [])
        else:
            images: ImageSet | None = getattr(protocol.real, name)
            assert images is not None
            chosen = shuffle(len(images))[:count]
            labels = images.labels[chosen]
            blocks = (images.read(part) for part in torch.split(chosen, BLOCK_SIZE))
        low, high = protocol.value_range
        device = next(self.discriminator.parameters()).device
        scores = []
        with evaluating(self.discriminator):
            for pixels, wanted in zip(blocks, torch.split(labels, BLOCK_SIZE), strict=True):
                for part, part_labels in zip(torch.split(pixels, 100), torch.split(wanted, 100), strict=True):
                    scaled = part.to(device).float() / 255 * (high - low) + low
                    scores.append(self.discriminator(scaled, part_labels.to(device)).scores.float().cpu())
        return torch.cat(scores)
