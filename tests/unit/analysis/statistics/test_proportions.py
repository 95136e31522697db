"""Shares in clustered samples against scipy's exact binomial and a worked design effect."""

import numpy as np
import pytest
from scipy import stats

from ragft.analysis.statistics.proportions import Sample, correlation, sample, share_interval, tail

ALONE = Sample(n=40, count=3, clusters=40, size=1.0)


@pytest.mark.parametrize("count", [0, 3, 39, 40])
def test_the_tail_of_whole_numbers_is_the_binomials(count: int) -> None:
    assert tail(40, count, 0.1) == pytest.approx(stats.binom.cdf(count, 40, 0.1), abs=1e-12)


def test_a_fraction_lies_between_its_neighbours() -> None:
    assert tail(40, 3, 0.1) < tail(40, 3.5, 0.1) < tail(40, 4, 0.1)


def test_the_interval_of_independent_ones_is_clopper_and_pearsons() -> None:
    exact = stats.binomtest(3, 40).proportion_ci(0.95, "exact")
    assert share_interval(ALONE, 0.0) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert share_interval(Sample(0, 0, 0, 0.0), 0.0) == (0.0, 1.0)
    assert share_interval(Sample(8, 1, 1, 8.0), 0.5) == (0.0, 1.0)


def test_clusters_cost_what_the_design_effect_says() -> None:
    found = sample(np.array([1.0, 1, 0, 0, 0, 0]), ["a", "a", "b", "b", "b", "c"])
    assert (found.n, found.count, found.clusters) == (6, 2, 3)
    assert found.size == pytest.approx((4 + 9 + 1) / 6)
    assert found.design_effect(0.5) == pytest.approx(1 + (14 / 6 - 1) * 0.5)
    ratio = stats.t.ppf(0.9, 5) / stats.t.ppf(0.9, 2)
    assert found.effective(0.5, 0.9) == pytest.approx(6 * ratio**2 / found.design_effect(0.5))


def test_correlation_is_one_where_clusters_agree_and_none_where_nothing_is_wrong() -> None:
    assert correlation(np.array([1.0, 1, 0, 0]), ["a", "a", "b", "b"]) == pytest.approx(1.0)
    assert correlation(np.zeros(4), ["a", "a", "b", "b"]) == 0.0
    assert correlation(np.array([1.0, 0, 1, 0]), ["a", "a", "b", "b"]) == 0.0
