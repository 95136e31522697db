import numpy as np
import pytest
from scipy import stats

from benchmarks.bca import bca_bound, bca_quantile
from ragft.analysis.statistics.clusters import cluster_sums
from tests.unit.analysis.studies import singles, weights


def test_bca_is_scipys_on_the_same_resamples() -> None:
    values, _ = singles(4, 30)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=500, method="BCa", random_state=1)
    means = np.sort(theirs.bootstrap_distribution)[:, None]
    jackknife = np.array([np.delete(values, index).mean() for index in range(len(values))])
    deviation = jackknife.mean() - jackknife
    acceleration = (deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5)
    ours = [
        bca_quantile(means, np.array([values.mean()]), np.array([acceleration]), level)[0] for level in (0.025, 0.975)
    ]

    assert ours == pytest.approx(list(theirs.confidence_interval))


def test_bca_over_clusters_is_near_scipys_where_each_question_is_one() -> None:
    values, labels = singles(5, 40)
    sums = cluster_sums(values, labels)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4999, method="BCa", random_state=2).confidence_interval

    for level, expected in ((0.025, theirs.low), (0.975, theirs.high)):
        assert bca_bound(sums, weights(40, 4999), level)[0] == pytest.approx(expected, abs=0.03)


def test_values_that_are_all_the_same_have_one_quantile() -> None:
    sums = cluster_sums(np.full(9, 0.1), [f"d{index // 2}" for index in range(9)])

    assert bca_bound(sums, weights(5, 99), 0.025)[0] == pytest.approx(0.1)
