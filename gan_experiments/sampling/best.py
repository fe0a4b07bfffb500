"""The best of many samples, by a stated score: what a generator can do at most, not what it does as a rule."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import Any, Literal

import torch
from torch import Tensor

from gan_experiments.sampling.draw import Drawn, draw_blocks, join
from gan_experiments.sampling.sampler import TrainedGenerator
from gan_experiments.types import UserError

By = Literal["discriminator", "class", "extractor"]
Scorer = Callable[[Tensor, Tensor], Tensor]
"""Pixels (uint8, N×C×H×W) and labels (int64, N) to scores (float64, N), high for good."""
Recognizer = Callable[[Tensor, Tensor], Tensor]
"""Pixels (uint8, N×C×H×W) and labels (int64, N) to whether each is recognised as what was asked for (bool, N)."""
log = logging.getLogger(__name__)
BATCH_SIZE = 100
MOST_HELD = 10_000  # images in memory, beside twice as many as are kept
SCORES: dict[By, str] = {
    "discriminator": "the discriminator's score",
    "class": "the discriminator's confidence in the class",
    "extractor": "the extractor's confidence in the class",
}


@dataclass(frozen=True)
class Choice:
    """How many are kept of how many, for each class, and by what."""

    best: int
    of: int
    by: By


@dataclass(frozen=True)
class Standing:
    """The scores of a class's images that were kept, against those of all; shares are None where nobody judges."""

    label: int
    best: float
    worst_kept: float
    median_of_all: float
    recognized: float | None = None  # share of those kept
    recognized_of_all: float | None = None


def pick(
    generator: TrainedGenerator,
    scorer: Scorer,
    labels: Sequence[int],
    choice: Choice,
    seed: int,
    truncation: float | None = None,
    recognizer: Recognizer | None = None,
) -> tuple[Drawn, list[Standing]]:
    """Draw images of each class as `draw` does and keep the best, best first; equal scores keep their order.

    Raises:
        UserError: images or scores are not finite.
    """
    each = f" of each of {len(labels)} classes" if len(labels) > 1 else ""
    log.info("Drawing %s images%s, of which the best %s are kept.", f"{choice.of:,}", each, f"{choice.best:,}")
    blocks = draw_blocks(generator, labels, choice.of, seed, truncation)
    scored = (_scored(block, scorer, recognizer, generator) for block in blocks)
    parts, standings = [], []
    for label, own in groupby(scored, lambda block: int(block.labels[0])):
        kept, scores, hits = _best(own, choice.best)
        parts.append(kept)
        assert kept.scores is not None
        of_scores = float(kept.scores[0]), float(kept.scores[-1]), float(scores.quantile(0.5))
        standings.append(Standing(label, *of_scores, _share(kept.recognized), _share(hits)))
    return join(parts), standings


def describe(
    choice: Choice, standings: Sequence[Standing], judging: dict[str, Any], generator: TrainedGenerator
) -> dict[str, Any]:
    """Return how images were picked and how they stand, for each class and, where they were judged, as a whole.

    Args:
        choice: what was asked for.
        standings: of each class.
        judging: from `make_recognizer`; empty where nobody judges.
        generator: what drew them.
    """
    scores = [asdict(one) for one in standings]
    for one in scores:
        one["class"] = generator.class_names[one["label"]] if generator.conditional else None
        one["label"] = one["label"] if generator.conditional else None
    picked = {**asdict(choice), "scores": scores}
    if judging:
        shares = {"kept": "recognized", "all": "recognized_of_all"}
        picked["recognized"] = {name: fmean(one[key] for one in scores) for name, key in shares.items()}
        picked["recognized"]["as"] = judging["as"]
        picked["judge"] = judging["judge"]
    return picked


def _scored(drawn: Drawn, scorer: Scorer, recognizer: Recognizer | None, generator: TrainedGenerator) -> Drawn:
    batches = list(zip(torch.split(drawn.pixels, BATCH_SIZE), torch.split(drawn.labels, BATCH_SIZE), strict=True))
    scores = torch.cat([scorer(pixels, asked) for pixels, asked in batches])
    if not scores.isfinite().all():
        raise UserError(
            f"{generator.checkpoint}: the scores are not finite: training has diverged. Choose an earlier one "
            "(--checkpoint)."
        )
    hits = torch.cat([recognizer(pixels, asked) for pixels, asked in batches]) if recognizer else None
    return replace(drawn, scores=scores, recognized=hits)


def _share(hits: Tensor | None) -> float | None:
    return None if hits is None else hits.double().mean().item()


def _best(blocks: Iterable[Drawn], best: int) -> tuple[Drawn, Tensor, Tensor | None]:
    """Return the best of many images, and scores and recognition of all; not all images are in memory at once."""
    held: list[Drawn] = []
    scores, hits, clipped = [], [], 0.0
    for block in blocks:
        assert block.scores is not None
        scores.append(block.scores)
        hits += [] if block.recognized is None else [block.recognized]
        clipped += block.share_clipped * len(block.labels)
        held.append(block)
        if sum(len(one.labels) for one in held) > 2 * best + MOST_HELD:
            held = [_first(join(held), best)]
    found = torch.cat(scores)
    kept = replace(_first(join(held), best), share_clipped=clipped / len(found))
    return kept, found, torch.cat(hits) if hits else None


def _first(drawn: Drawn, best: int) -> Drawn:
    """Return the best images, best first."""
    assert drawn.scores is not None
    order = drawn.scores.argsort(descending=True, stable=True)[:best]
    parts = (drawn.pixels[order], drawn.labels[order], drawn.latents[order])
    recognized = None if drawn.recognized is None else drawn.recognized[order]
    return Drawn(*parts, drawn.share_clipped, drawn.scores[order], recognized)
