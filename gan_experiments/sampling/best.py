"""The best of many samples, by a score: what a generator can do at most, not what it does as a rule."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gan_experiments.sampling.images import Samples, join
from gan_experiments.sampling.sampler import Sampler
from gan_experiments.types import UserError

log = logging.getLogger(__name__)
BATCH_SIZE = 100
MAX_HELD = 10_000  # images in memory, beside twice as many as are kept

Score = Callable[[Tensor, Tensor], Tensor]
"""From pixels (uint8, N×C×H×W) and labels (int64, N) to scores (float64, N, on the CPU), high for good."""


@dataclass(frozen=True)
class Recognition:
    """Whether a separately trained classifier recognises images as the class asked for, or as one of several."""

    is_recognized: Callable[[Tensor, Tensor], Tensor]  # as a `Score`, but bool
    expected: str  # as what, in words
    classifier: dict[str, Any]  # facts about it


class BestOf(NamedTuple):
    """The best images of each class, best first, with their scores (float64, N) and how they were chosen."""

    samples: Samples
    scores: Tensor
    facts: dict[str, Any]  # for JSON; those of each class under `scores`


class _Scored(NamedTuple):
    samples: Samples
    scores: Tensor
    recognized: Tensor  # bool, N; empty without a classifier


def keep_best(
    sampler: Sampler,
    score: Score,
    labels: Sequence[int],
    best: int,
    of: int,
    seed: int = 0,
    truncation: float | None = None,
    recognition: Recognition | None = None,
) -> BestOf:
    """Draw `of` images of each class as `Sampler.class_blocks` does and keep the best; equal scores keep their order.

    Raises:
        UserError: images or scores are not finite.
    """
    each = f" of each of {len(labels)} classes" if len(labels) > 1 else ""
    log.info("Drawing %s images%s, of which the best %s are kept.", f"{of:,}", each, f"{best:,}")
    blocks = (
        _scored(block, score, recognition, sampler) for block in sampler.class_blocks(labels, of, seed, truncation)
    )
    kept: list[_Scored] = []
    by_class: list[dict[str, Any]] = []
    for label, of_class in groupby(blocks, lambda block: int(block.samples.labels[0])):
        top, scores, recognized = _best(of_class, best)
        kept.append(top)
        by_class.append(
            {
                "label": label if sampler.conditional else None,
                "class": sampler.class_names[label] if sampler.conditional else None,
                "best": float(top.scores[0]),
                "worst_kept": float(top.scores[-1]),
                "median_of_all": float(scores.quantile(0.5)),
                "recognized": float(top.recognized.double().mean()) if recognition else None,
                "recognized_of_all": float(recognized.double().mean()) if recognition else None,
            }
        )
    facts: dict[str, Any] = {"best": best, "of": of, "scores": by_class}
    if recognition:
        shares = {"kept": "recognized", "all": "recognized_of_all"}
        facts["recognized"] = {name: fmean(one[key] for one in by_class) for name, key in shares.items()}
        facts["recognized"]["as"] = recognition.expected
        facts["judge"] = recognition.classifier
    chosen = _join(kept)
    return BestOf(chosen.samples, chosen.scores, facts)


def _scored(samples: Samples, score: Score, recognition: Recognition | None, sampler: Sampler) -> _Scored:
    batches = list(zip(torch.split(samples.pixels, BATCH_SIZE), torch.split(samples.labels, BATCH_SIZE), strict=True))
    scores = torch.cat([score(*batch) for batch in batches])
    if not scores.isfinite().all():
        raise UserError(
            f"{sampler.checkpoint}: the scores are not finite: training has diverged. Choose an earlier checkpoint "
            "(--checkpoint)."
        )
    recognized = [recognition.is_recognized(*batch) for batch in batches] if recognition else [torch.zeros(0)]
    return _Scored(samples, scores, torch.cat(recognized))


def _best(blocks: Iterable[_Scored], best: int) -> tuple[_Scored, Tensor, Tensor]:
    """Return the best images, and scores and recognition of all; not all images are in memory at once."""
    held: list[_Scored] = []
    scores, recognized, clipped = [], [], 0.0
    for block in blocks:
        scores.append(block.scores)
        recognized.append(block.recognized)
        clipped += block.samples.share_clipped * len(block.samples)
        held.append(block)
        if sum(len(one.samples) for one in held) > 2 * best + MAX_HELD:
            held = [_first(_join(held), best)]
    of_all = torch.cat(scores)
    kept = _first(_join(held), best)
    samples = replace(kept.samples, share_clipped=clipped / len(of_all))
    return kept._replace(samples=samples), of_all, torch.cat(recognized)


def _first(scored: _Scored, count: int) -> _Scored:
    """Return the best images, best first; equal scores keep their order."""
    order = scored.scores.argsort(descending=True, stable=True)[:count]
    return _Scored(scored.samples.take(order), scored.scores[order], scored.recognized[order[: len(scored.recognized)]])


def _join(parts: Sequence[_Scored]) -> _Scored:
    samples, scores, recognized = zip(*parts, strict=True)
    return _Scored(join(samples), torch.cat(scores), torch.cat(recognized))
