"""The best of many samples, by a score: what a generator can do at most, not what it does as a rule."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gan_experiments.datasets.tensors import from_uint8
from gan_experiments.sampling.images import Samples, join
from gan_experiments.sampling.sampler import Sampler, evaluating
from gan_experiments.types import UserError

log = logging.getLogger(__name__)
BATCH_SIZE = 100
MAX_HELD = 10_000  # images in memory, beside twice as many as are kept


class Score(Protocol):
    """Pixels (uint8, N×C×H×W) and labels (int64, N) to scores (float64, N, on the CPU), high for good."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class DiscriminatorScore:
    """The discriminator's score."""

    discriminator: nn.Module
    value_range: Sequence[float]
    name: str = "discriminator"
    description: str = "the discriminator's score"

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        device = next(self.discriminator.parameters()).device
        with evaluating(self.discriminator):
            output = self.discriminator(from_uint8(pixels.to(device), self.value_range), labels.to(device))
        scores: Tensor = output.scores.double().cpu()
        return scores


@dataclass(frozen=True)
class ClassConfidence:
    """A classifier's probability of the class asked for, or of the likeliest of `any_of`."""

    logits: Callable[[Tensor], Tensor]  # pixels (uint8, N×C×H×W) to class logits, N×K
    any_of: Sequence[int] | None  # labels, where the generator takes none
    name: str
    description: str

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        shares = self.logits(pixels).double().softmax(1).cpu()
        if self.any_of is not None:
            return shares[:, list(self.any_of)].amax(1)
        return shares.gather(1, labels[:, None]).squeeze(1)


@dataclass(frozen=True)
class Recognition:
    """Whether a separately trained classifier recognises images as the class asked for, or as one of `any_of`."""

    logits: Callable[[Tensor], Tensor]  # pixels (uint8, N×C×H×W) to class logits, N×K
    any_of: Sequence[int] | None  # labels, where the generator takes none
    expected: str  # in words
    classifier: dict[str, Any]  # facts about it

    def __call__(self, pixels: Tensor, labels: Tensor) -> Tensor:
        predicted = self.logits(pixels).argmax(1).cpu()
        return predicted == labels if self.any_of is None else torch.isin(predicted, torch.tensor(self.any_of))


@dataclass(frozen=True)
class ClassScores:
    """The scores of a class's images that were kept, against those of all; shares are None without a classifier."""

    label: int
    best: float
    worst_kept: float
    median_of_all: float
    recognized: float | None  # share of those kept
    recognized_of_all: float | None


@dataclass(frozen=True)
class BestOf:
    """The best images of each class, best first."""

    samples: Samples
    scores: Tensor  # float64, N
    by_class: Sequence[ClassScores]
    best: int  # kept of each class
    of: int  # drawn of each class
    score: Score
    recognition: Recognition | None

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return how images were chosen, and their scores by class; `class_names` is empty without labels."""
        scores = [
            asdict(one)
            | {"label": one.label if class_names else None, "class": class_names[one.label] if class_names else None}
            for one in self.by_class
        ]
        result: dict[str, Any] = {"best": self.best, "of": self.of, "by": self.score.name, "scores": scores}
        if self.recognition:
            shares = {"kept": "recognized", "all": "recognized_of_all"}
            result["recognized"] = {name: fmean(one[key] for one in scores) for name, key in shares.items()}
            result["recognized"]["as"] = self.recognition.expected
            result["judge"] = self.recognition.classifier
        return result


@dataclass(frozen=True)
class _Scored:
    samples: Samples
    scores: Tensor
    recognized: Tensor  # bool, N; empty without a classifier

    def first(self, count: int) -> "_Scored":
        """Return the best images, best first; equal scores keep their order."""
        order = self.scores.argsort(descending=True, stable=True)[:count]
        return _Scored(self.samples.take(order), self.scores[order], self.recognized[order[: len(self.recognized)]])


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
    kept, by_class = [], []
    for label, of_class in groupby(blocks, lambda block: int(block.samples.labels[0])):
        top, scores, recognized = _best(of_class, best)
        kept.append(top)
        values = float(top.scores[0]), float(top.scores[-1]), float(scores.quantile(0.5))
        by_class.append(ClassScores(label, *values, _share(top.recognized), _share(recognized)))
    chosen = _join(kept)
    return BestOf(chosen.samples, chosen.scores, by_class, best, of, score, recognition)


def _scored(samples: Samples, score: Score, recognition: Recognition | None, sampler: Sampler) -> _Scored:
    batches = list(zip(torch.split(samples.pixels, BATCH_SIZE), torch.split(samples.labels, BATCH_SIZE), strict=True))
    scores = torch.cat([score(*batch) for batch in batches])
    if not scores.isfinite().all():
        raise UserError(
            f"{sampler.checkpoint}: the scores are not finite: training has diverged. Choose an earlier checkpoint "
            "(--checkpoint)."
        )
    recognized = torch.cat([recognition(*batch) for batch in batches]) if recognition else torch.zeros(0)
    return _Scored(samples, scores, recognized)


def _share(recognized: Tensor) -> float | None:
    return recognized.double().mean().item() if len(recognized) else None


def _join(parts: Sequence[_Scored]) -> _Scored:
    scores, recognized = (torch.cat([getattr(part, name) for part in parts]) for name in ("scores", "recognized"))
    return _Scored(join([part.samples for part in parts]), scores, recognized)


def _best(blocks: Iterable[_Scored], best: int) -> tuple[_Scored, Tensor, Tensor]:
    """Return the best of many images, and scores and recognition of all; not all images are in memory at once."""
    held: list[_Scored] = []
    scores, recognized, clipped = [], [], 0.0
    for block in blocks:
        scores.append(block.scores)
        recognized.append(block.recognized)
        clipped += block.samples.share_clipped * len(block.samples)
        held.append(block)
        if sum(len(one.samples) for one in held) > 2 * best + MAX_HELD:
            held = [_join(held).first(best)]
    of_all = torch.cat(scores)
    kept = _join(held).first(best)
    samples = replace(kept.samples, share_clipped=clipped / len(of_all))
    return replace(kept, samples=samples), of_all, torch.cat(recognized)
