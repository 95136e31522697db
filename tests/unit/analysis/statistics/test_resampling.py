import numpy as np
import pytest
from scipy import stats

from ragft.analysis.statistics.clusters import cluster_sums
from ragft.analysis.statistics.resampling import bca_bound, bca_quantile, draw, resample, studentised_bound
from tests.unit.analysis.studies import singles, study, weights


def test_every_resample_draws_as_many_clusters_as_there_are() -> None:
    drawn = draw(7, 50, np.random.default_rng(0))

    assert drawn.shape == (50, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.mean() == 1


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
    resamples = resample(sums, weights(40, 4999))
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4999, method="BCa", random_state=2).confidence_interval

    for level, expected in ((0.025, theirs.low), (0.975, theirs.high)):
        assert bca_bound(sums, resamples, level)[0] == pytest.approx(expected, abs=0.03)


def test_a_resample_is_the_mean_and_the_ratio_of_the_questions_drawn() -> None:
    values, labels = study(6, clusters=6)
    sums, drawn = cluster_sums(values, labels), weights(6, 20)
    found = resample(sums, drawn)
    groups = [values[np.array(labels) == label] for label in sorted(set(labels))]
    means, ratios = [], []
    for counts in drawn.astype(int):
        picked = [group for group, count in zip(groups, counts, strict=True) for _ in range(count)]
        mean = np.concatenate(picked).mean()
        residuals = np.array([(group - mean).sum() for group in picked])
        error = np.sqrt(6 / 5 * (residuals**2).sum()) / sum(map(len, picked))
        means.append(mean)
        ratios.append((mean - values.mean()) / error)

    assert found.means[:, 0] == pytest.approx(sorted(means))
    assert found.ratios[:, 0] == pytest.approx(sorted(ratios))


def test_the_studentised_bound_turns_the_ratios_round() -> None:
    values, labels = study(7, clusters=20)
    sums = cluster_sums(values, labels)
    found = resample(sums, weights(20, 99))

    assert studentised_bound(sums, found, 0.05)[0] == sums.mean[0] - found.ratios[94, 0] * found.error[0]
    assert studentised_bound(sums, found, 0.95)[0] == sums.mean[0] - found.ratios[4, 0] * found.error[0]


def test_too_few_resamples_for_a_level_say_nothing() -> None:
    sums = cluster_sums(*study(7, clusters=20))
    found = resample(sums, weights(20, 99))

    assert studentised_bound(sums, found, 0.001)[0] == -np.inf
    assert studentised_bound(sums, found, 0.999)[0] == np.inf


def test_values_that_are_all_the_same_have_no_spread() -> None:
    sums = cluster_sums(np.full(9, 0.1), [f"d{index // 2}" for index in range(9)])
    found = resample(sums, weights(5, 99))

    assert (found.ratios == 0).all()
    assert studentised_bound(sums, found, 0.025)[0] == pytest.approx(0.1)
    assert bca_bound(sums, found, 0.025)[0] == pytest.approx(0.1)
