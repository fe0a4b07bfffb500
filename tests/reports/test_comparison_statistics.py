"""Means, intervals and tests against numbers derived by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_experiments.reports.statistics import differences, estimate, holm, welch

samples = st.lists(st.floats(-100, 100), min_size=2, max_size=6)


def test_the_mean_of_three() -> None:
    found = estimate([1.0, 2.0, 3.0])

    assert found.mean == 2
    assert found.count == 3
    assert found.half == pytest.approx(4.302652729911 / math.sqrt(3))  # t(0.975; 2) from a table, s = 1


def test_the_mean_of_two() -> None:
    # One degree of freedom is Cauchy's distribution: t(0.975; 1) = tan(0.475 π). s = √2 · 2, s/√2 = 2.
    assert estimate([1.0, 5.0]).half == pytest.approx(2 * math.tan(0.475 * math.pi))


def test_one_value_has_no_interval() -> None:
    assert estimate([3.0]).half is None


def test_welch_of_equal_variances() -> None:
    # t = -2 / √(1/3 + 1/3), t² = 6, and 4 degrees of freedom, whose distribution function is
    # 1/2 + 3/8 · t / √(1 + t²/4) · (1 - t² / (12 (1 + t²/4))).
    below = 0.5 + 0.375 * math.sqrt(6 / 2.5) * (1 - 6 / 30)

    assert welch([1.0, 2.0, 3.0], [3.0, 4.0, 5.0]) == pytest.approx(2 * (1 - below))


def test_welch_where_one_group_does_not_vary() -> None:
    # Its share of the error is nothing: t = (1 - 5) / √(2/2) with 1 degree of freedom, Cauchy's distribution.
    assert welch([0.0, 2.0], [5.0, 5.0, 5.0]) == pytest.approx(1 - 2 * math.atan(4) / math.pi)


def test_welch_says_nothing_without_spread_or_with_one_value() -> None:
    assert welch([1.0, 1.0], [2.0, 2.0]) is None
    assert welch([1.0], [2.0, 3.0]) is None
    assert welch([1e300, -1e300], [2.0, 3.0]) == 1  # an error without bounds


@settings(deadline=None)
@given(samples, samples)
def test_welch_is_symmetric_and_a_probability(first: list[float], second: list[float]) -> None:
    p = welch(first, second)

    assert p == welch(second, first)
    assert p is None or 0 <= p <= 1


def test_holm() -> None:
    # Smallest times 3; the next times 2; the largest times 1, but not below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_all_pairs_are_one_family() -> None:
    low, high, single = [1.0, 1.1, 0.9], [5.0, 5.1, 4.9], [3.0]

    found = differences([low, high, single, [1.0, 1.2, 0.8]])

    assert [(pair.first, pair.second) for pair in found] == [(0, 1), (0, 3), (1, 3)]
    assert [pair.significant for pair in found] == [True, False, True]
    assert found[0].difference == pytest.approx(-4)
    assert found[0].adjusted == pytest.approx(3 * found[0].p)  # the smallest of three
    assert found[1].adjusted == pytest.approx(found[1].p)  # the largest
