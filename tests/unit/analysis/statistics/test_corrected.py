"""The corrected mean: what it is in cases that can be computed otherwise, and beside two libraries."""

import numpy as np
import pytest

from ragft.analysis.statistics.clusters import Array, cluster_sums
from ragft.analysis.statistics.corrected import CorrectedSums, corrected_sums
from ragft.analysis.statistics.cr2 import cr2, interval
from ragft.analysis.statistics.label_sampling import draw_questions, inclusion_probabilities

QUESTIONS, DOCUMENTS = 120, 30
CLUSTER = np.arange(QUESTIONS) % DOCUMENTS
ONES = np.ones((1, QUESTIONS))


def scored(seed: int, studies: int = 1) -> tuple[Array, Array]:
    """Return the judge's values and people's."""
    rng = np.random.default_rng(seed)
    people = rng.integers(-2, 3, (studies, QUESTIONS)).astype(float)
    return 0.7 * people + 0.4 + rng.normal(0, 0.8, people.shape), people


def some(people: Array, labels: int) -> Array:
    """Return people's values of the first so many questions."""
    return np.where(np.arange(people.shape[1]) < labels, people, np.nan)


def same_sums(one: CorrectedSums, other: CorrectedSums) -> bool:
    return all(
        np.allclose(getattr(one.sums, part), getattr(other.sums, part)) for part in ("totals", "squares", "sizes")
    )


def test_with_every_question_labelled_it_is_the_clustered_mean_of_people() -> None:
    judge, people = scored(0)
    found = corrected_sums(judge, people, ONES, CLUSTER).sums
    plain = cluster_sums(people[0], [f"{number:02d}" for number in CLUSTER])

    for part in ("totals", "squares", "sizes"):
        assert getattr(found, part) == pytest.approx(getattr(plain, part))


def test_a_judge_that_says_the_same_of_everything_or_the_opposite_of_people_is_not_listened_to() -> None:
    _, people = scored(1)
    labelled = some(people, 40)
    alone = corrected_sums(np.zeros(people.shape), labelled, ONES, CLUSTER)

    for judge in (np.full(people.shape, 3.3), -people):
        found = corrected_sums(judge, labelled, ONES, CLUSTER)
        assert found.weight == 0 and same_sums(found, alone)
    assert alone.sums.mean == pytest.approx(people[0, :40].mean())


def test_only_what_the_judge_tells_apart_counts() -> None:
    judge, people = scored(2)
    labelled = some(people, 40)
    found = corrected_sums(judge, labelled, ONES, CLUSTER)

    assert found.weight > 0.5
    assert same_sums(found, corrected_sums(judge + 2.5, labelled, ONES, CLUSTER))
    assert same_sums(found, corrected_sums(3 * judge, labelled, ONES, CLUSTER))
    assert same_sums(found, corrected_sums(judge, labelled, 0.2 * ONES, CLUSTER))


def test_a_question_that_the_judge_could_not_score_counts_as_its_mean() -> None:
    judge, people = scored(3)
    lost = np.where(np.arange(QUESTIONS) % 7 == 0, np.nan, judge)
    filled = np.where(np.isnan(lost), np.nanmean(lost), lost)

    found, other = (corrected_sums(each, some(people, 40), ONES, CLUSTER) for each in (lost, filled))
    assert same_sums(found, other)


def test_of_answers_that_are_the_same_nobody_has_to_be_asked() -> None:
    judge, people = scored(4)
    same = (np.arange(QUESTIONS) % 2 == 0)[None].astype(float)
    people = np.where(same > 0, 0.0, people)
    found = corrected_sums(judge, np.where(same > 0, np.nan, people), ONES, CLUSTER, same=same)
    plain = cluster_sums(people[0], [f"{number:02d}" for number in CLUSTER])

    assert found.share == 0.5
    assert found.share * found.sums.mean == pytest.approx(plain.mean)
    # What each document adds to the error is the same too.
    sums = found.sums
    error = found.share * (sums.totals - sums.sizes * sums.mean) / sums.n
    assert error == pytest.approx((plain.totals - plain.sizes * plain.mean) / plain.n)


def test_it_is_unbiased_for_a_judge_who_favours_one_side_and_labels_that_are_drawn_by_its_doubt() -> None:
    rng = np.random.default_rng(5)
    judge, people = scored(5, studies=4000)
    doubt = np.where(people < 0, 1.5, 0.3)  # the losses are asked about most
    probability = inclusion_probabilities(doubt, 30)
    asked = draw_questions(probability, CLUSTER, rng)
    judge = np.where(people < 0, judge + 2, judge)
    labelled = np.where(asked, people, np.nan)
    errors = corrected_sums(judge, labelled, probability, CLUSTER).sums.mean - people.mean(axis=1)
    naive = np.nanmean(labelled, axis=1) - people.mean(axis=1)

    assert abs(errors.mean()) < 4 * errors.std() / 4000**0.5 + 0.01  # a ratio of 30 labels has a bias of order 1/30
    assert naive.mean() < -0.3


def test_few_labels_do_not_make_the_error_look_smaller_than_it_is() -> None:
    rng = np.random.default_rng(6)
    people = rng.normal(size=(4000, QUESTIONS))
    noise = rng.normal(size=people.shape)
    asked = draw_questions(np.full(people.shape, 15 / QUESTIONS), CLUSTER, rng)
    found = corrected_sums(noise, np.where(asked, people, np.nan), np.ones(people.shape), CLUSTER).sums

    assert np.sqrt((cr2(found).error ** 2).mean()) > 0.98 * found.mean.std()


def test_the_weight_is_shrunk_by_twice_its_error_and_0_below_that() -> None:
    judge, people = scored(8)
    labelled = some(people, 40)
    centred = judge[0] - judge.mean()
    outcome, covariate = np.zeros(DOCUMENTS), np.zeros(DOCUMENTS)
    for question, document in enumerate(CLUSTER):
        asked = question < 40
        outcome[document] += asked * (people[0, question] - people[0, :40].mean())
        covariate[document] += asked * (centred[question] - centred[:40].mean()) - centred[question] * 40 / QUESTIONS
    slope = (outcome * covariate).sum() / (covariate**2).sum()
    error = np.sqrt((covariate**2 * (outcome - slope * covariate) ** 2).sum()) / (covariate**2).sum()

    assert slope > 2 * error
    assert corrected_sums(judge, labelled, ONES, CLUSTER).weight == pytest.approx(
        slope * (1 - (2 * error / slope) ** 2)
    )
    noise = np.random.default_rng(9).normal(size=(400, QUESTIONS))
    weights = corrected_sums(noise, np.tile(labelled, (400, 1)), np.ones(noise.shape), CLUSTER).weight
    assert (weights == 0).mean() > 0.9


def test_a_label_without_a_probability_and_a_study_without_a_label_are_refused() -> None:
    judge, people = scored(7)
    with pytest.raises(ValueError, match="probability 0"):
        corrected_sums(judge, people, 0 * ONES, CLUSTER)
    with pytest.raises(ValueError, match="no label"):
        corrected_sums(judge, np.full(people.shape, np.nan), ONES, CLUSTER)


def test_without_clusters_it_is_what_ppi_python_says() -> None:
    rng = np.random.default_rng(0)
    questions, labels = 10_000, 1_000
    people = rng.integers(-2, 3, questions).astype(float)
    judge = np.round(0.7 * people + 0.4 + rng.normal(0, 0.8, questions), 2)
    found = corrected_sums(judge[None], some(people[None], labels), np.ones((1, questions)), np.arange(questions))
    low, high = interval(found.sums)

    # ppi-python 0.2.3: ppi_mean_ci(people[:1000], judge[:1000], judge[1000:], alpha=0.05), and its weight.
    theirs = (0.03480613, -0.02392366, 0.09353592)
    assert (float(found.sums.mean[0]), low, high) == pytest.approx(theirs, abs=0.0005)
    assert found.weight[0] * (questions - labels) / questions == pytest.approx(0.7923, abs=0.015)


def test_with_probabilities_it_is_what_glide_says() -> None:
    rng = np.random.default_rng(1)
    questions, labels = 10_000, 1_000
    people = rng.integers(-2, 3, questions).astype(float)
    doubt = np.where(rng.random(questions) < 0.3, 1.5, 0.3)
    judge = np.round(0.9 * people + doubt * rng.normal(0, 1, questions), 2)
    probability = labels / questions * (0.5 + 0.5 * doubt / doubt.mean())
    asked = rng.random(questions) < probability
    found = corrected_sums(
        judge[None], np.where(asked, people, np.nan)[None], probability[None], np.arange(questions)
    ).sums

    # glide-py 0.11.0: ASIMeanEstimator().estimate(people, judge, probability). It does not divide by the sum of the
    # weights, which costs it a little.
    assert float(found.mean[0]) == pytest.approx(0.012557, abs=0.002)
    assert float(cr2(found).error[0]) == pytest.approx(0.024883, rel=0.04)


def test_a_document_that_nobody_saw_may_be_praised_as_losses_were_that_people_saw() -> None:
    everything = np.tile([-1.0, 0.0, 3.0, 0.0], QUESTIONS // 4)[None]
    people = some(everything, 40)
    fair = corrected_sums(everything, people, ONES, CLUSTER).told
    deceived = corrected_sums(np.where(everything < 0, 1.5, everything), people, ONES, CLUSTER)
    blind = corrected_sums(everything, np.where(people < 0, np.nan, people), ONES, CLUSTER)

    assert fair.below == 1 and fair.above == 1
    assert fair.totals.sum() == np.nansum(people)
    assert deceived.told.below == pytest.approx(1 + deceived.weight * (1.5 - 1.125))  # a point of loss, less the mean
    assert deceived.weight > 0.5 and deceived.told.above == 1
    assert blind.told.below == 1 + blind.weight  # no loss was seen: it may have praised one without measure
