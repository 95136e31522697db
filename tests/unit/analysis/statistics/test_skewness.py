"""What documents of unequal size hide of the skewness: by hand, and what it does to the bound that decides."""

import numpy as np
import pytest

from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.clusters import ClusterSums, cluster_sums
from ragft.analysis.statistics.resampling import draw, resample, studentised_bound
from ragft.analysis.statistics.skewness import critical_shift, hidden_skewness, skewness
from tests.unit.analysis.studies import sums_of

# A loss of 3 in a document of one question; gains of 1 in another, and in one of two questions that are alike.
VALUES, LABELS = np.array([-3.0, 1.0, 1.0, 1.0]), ["a", "b", "c", "c"]


def test_it_is_what_a_hand_says() -> None:
    sums = cluster_sums(VALUES, LABELS)
    assert sums.mean == 0 and sums.icc == 1  # so a document's standard deviation goes with its size: 1, 1, 2
    assert skewness(sums) == pytest.approx((-27 + 1 + 8) / 3 / (14 / 3) ** 1.5)

    shape = (-27 + 1 + 1) / 3 / (11 / 3) ** 1.5
    pooled = shape * (14 / 6) ** 1.5 * (1 + 1 + 8)
    assert hidden_skewness(sums) == pytest.approx((pooled - (-27 + 1 + 8)) / 3 / (14 / 3) ** 1.5)
    assert hidden_skewness(sums) < -0.5


def test_documents_of_equal_size_hide_nothing() -> None:
    for values in (np.array([-4.0, 1, 1, 0, 1, 1]), np.zeros(6)):
        assert hidden_skewness(cluster_sums(values, list("aabbcc"))) == pytest.approx(0.0, abs=1e-12)


def test_gains_and_losses_are_treated_alike_in_any_unit() -> None:
    hidden = hidden_skewness(cluster_sums(VALUES, LABELS))

    assert hidden_skewness(cluster_sums(-2.5 * VALUES, LABELS)) == pytest.approx(-hidden)


def test_weights_make_documents_unequal_as_sizes_do() -> None:
    plain = sums_of(0, clusters=30)
    counted = ClusterSums(plain.totals, plain.squares, plain.sizes, plain.sizes)
    assert hidden_skewness(counted) == hidden_skewness(plain)

    # One label each, so the standard deviation goes with the weight; the loss has a small one.
    weights = np.array([[0.5, 1.0, 1.5]])
    values = np.array([[-3.0, 0.0, 1.0]])
    found = hidden_skewness(ClusterSums(weights * values, weights * values**2, weights, weights**2))
    assert found < 0
    assert hidden_skewness(ClusterSums(values, values**2, np.ones((1, 3)), np.ones((1, 3)))) == pytest.approx(0.0)


def test_documents_that_nobody_was_asked_about_keep_their_shape() -> None:
    sums = cluster_sums(VALUES, LABELS)
    with_empty = ClusterSums(*(np.hstack([part, [[0.0]]]) for part in (sums.totals, sums.squares, sums.sizes)))

    # The error's skewness, which is that of the totals over the square root of their number, is the same.
    assert hidden_skewness(with_empty) / 4**0.5 == pytest.approx(hidden_skewness(sums) / 3**0.5)


def test_the_shift_is_that_of_halls_expansion_at_both_ends() -> None:
    shift = pytest.approx((2 * 1.959964**2 + 1) / 6)
    assert critical_shift(0.025) == shift and critical_shift(0.975) == shift


def test_few_documents_of_unequal_size_with_rare_large_losses_claim_no_false_gains() -> None:
    rng = np.random.default_rng(1)
    studies, sizes = 2000, np.random.default_rng(7).geometric(0.2, size=60)
    document = np.repeat(np.arange(60), sizes)
    latent = 0.5 * rng.normal(size=(studies, 60))[:, document] + 0.75**0.5 * rng.normal(size=(studies, len(document)))
    # 8 % lose 3, 24 % gain 1: no difference on average.
    values = np.where(latent < -1.405, -3.0, np.where(latent > 0.7063, 1.0, 0.0))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    parts = (values, values**2, np.ones_like(values))
    sums = ClusterSums(*(np.add.reduceat(part, starts, axis=1) for part in parts))
    resamples = resample(sums, draw(60, 399, rng))
    (low,), (high,) = (deciding_bounds(sums, resamples, [level], 4.0) for level in (0.025, 0.975))

    assert (studentised_bound(sums, resamples, 0.025) > 0).mean() > 0.035
    assert (low > 0).mean() < 0.03
    assert ((low > 0) | (high < 0)).mean() < 0.05
