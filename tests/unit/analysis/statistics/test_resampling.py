import numpy as np
import pytest

from ragft.analysis.statistics.clusters import cluster_sums
from ragft.analysis.statistics.resampling import draw, resample, studentised_bound
from tests.unit.analysis.studies import study, weights


def test_every_resample_draws_as_many_clusters_as_there_are() -> None:
    drawn = draw(7, 50, np.random.default_rng(0))

    assert drawn.shape == (50, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.mean() == 1


def test_a_resample_is_the_ratio_of_the_questions_drawn() -> None:
    values, labels = study(6, clusters=6)
    sums, drawn = cluster_sums(values, labels), weights(6, 20)
    found = resample(sums, drawn)
    groups = [values[np.array(labels) == label] for label in sorted(set(labels))]
    ratios = []
    for counts in drawn.astype(int):
        picked = [group for group, count in zip(groups, counts, strict=True) for _ in range(count)]
        mean = np.concatenate(picked).mean()
        residuals = np.array([(group - mean).sum() for group in picked])
        error = np.sqrt(6 / 5 * (residuals**2).sum()) / sum(map(len, picked))
        ratios.append((mean - values.mean()) / error)

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
