"""What runs that differ in their seed alone say together: intervals, and whether two groups differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, variance

from scipy.special import stdtr, stdtrit  # type: ignore[import-untyped]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """The mean of n values, and the half-width of its 95% interval by Student's t (None for fewer than two)."""

    mean: float
    half: float | None
    count: int


@dataclass(frozen=True)
class Difference:
    """What Welch's test says of two groups, named by their positions."""

    first: int
    second: int
    difference: float  # of the means, first less second
    p: float  # two-sided
    adjusted: float  # by Holm, over all pairs tested with it

    @property
    def significant(self) -> bool:
        """Whether the groups differ at 5%, over the whole family of pairs."""
        return self.adjusted < 1 - LEVEL


def estimate(values: Sequence[float]) -> Estimate:
    """Return mean ± t(0.975, n - 1) · s / √n of at least one value."""
    mean, count = fmean(values), len(values)
    if count < 2:
        return Estimate(mean, None, count)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * math.sqrt(_squared_error(values))
    return Estimate(mean, half if math.isfinite(half) else None, count)


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p value of Welch's t test; None where it says nothing.

    t = (m₁ - m₂) / √(v₁/n₁ + v₂/n₂), with (v₁/n₁ + v₂/n₂)² / ((v₁/n₁)²/(n₁ - 1) + (v₂/n₂)²/(n₂ - 1)) degrees of
    freedom. It says nothing for fewer than two values in a group, or if neither group varies.
    """
    if min(len(first), len(second)) < 2:
        return None
    errors = _squared_error(first), _squared_error(second)
    both = sum(errors)
    if both == 0 or not math.isfinite(both):
        return None
    t = (fmean(first) - fmean(second)) / math.sqrt(both)
    shares = errors[0] / both, errors[1] / both
    freedom = 1 / (shares[0] ** 2 / (len(first) - 1) + shares[1] ** 2 / (len(second) - 1))
    return float(2 * stdtr(freedom, -abs(t)))


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust p values for testing all of them: the k-th smallest of m times m - k + 1, never below a smaller one's."""
    adjusted = [1.0] * len(ps)
    largest = 0.0
    for rank, position in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[position]))
        adjusted[position] = largest
    return adjusted


def differences(groups: Sequence[Sequence[float]]) -> list[Difference]:
    """Test all pairs of groups that can be tested (at least two values each), with Holm's adjustment over them."""
    found = {(i, j): welch(groups[i], groups[j]) for i, j in combinations(range(len(groups)), 2)}
    tested = {pair: p for pair, p in found.items() if p is not None}
    adjusted = holm(list(tested.values()))
    return [
        Difference(i, j, fmean(groups[i]) - fmean(groups[j]), p, after)
        for ((i, j), p), after in zip(tested.items(), adjusted, strict=True)
    ]


def _squared_error(values: Sequence[float]) -> float:
    """Return the squared standard error of the mean, v/n."""
    try:
        return variance(values) / len(values)
    except OverflowError:
        return math.inf
