"""Means with intervals, and tests of whether two groups differ."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """The mean of n values, and the half-width of its 95% interval by Student's t (None for fewer than two)."""

    mean: float
    half: float | None
    count: int


@dataclass(frozen=True)
class Difference:
    """Welch's test of two groups, which are known by their positions."""

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
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(stats.sem(values)) if len(set(values)) > 1 else 0.0  # which rounding would make a little more
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Estimate(mean, half if math.isfinite(half) else None, count)


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p value of Welch's t test; None for fewer than two values in a group, or without spread."""
    if min(len(first), len(second)) < 2 or len(set(first)) == len(set(second)) == 1:
        return None
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # values that are almost equal are what they are
        p = float(stats.ttest_ind(first, second, equal_var=False).pvalue)
    return p if math.isfinite(p) else None


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
    pairs = {(i, j): welch(groups[i], groups[j]) for i, j in combinations(range(len(groups)), 2)}
    tested = {pair: p for pair, p in pairs.items() if p is not None}
    return [
        Difference(i, j, fmean(groups[i]) - fmean(groups[j]), p, after)
        for ((i, j), p), after in zip(tested.items(), holm(list(tested.values())), strict=True)
    ]
