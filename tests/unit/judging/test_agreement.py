"""Agreement with people: published numbers, reference implementations, and the cases that break them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from ragft.judging.agreement import (
    compare,
    compare_estimators,
    confusion_of,
    correlations,
    grouped_correlations,
    pair_agreement,
    weighted_kappa,
)
from ragft.prompts.criterion import load_criterion

UNIEVAL: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "geval" / "unieval-qags-xsum.json").read_text(encoding="utf-8")
)
ACCURACY = load_criterion("accuracy")
LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)


def test_the_published_correlations_of_unieval() -> None:
    assert len(UNIEVAL) == 239
    people = [row["scores"]["consistency"] for row in UNIEVAL]
    metric = [next(iter(row["predict_scores"].values())) for row in UNIEVAL]
    found = correlations(metric, people)
    assert found.n == 239
    assert found.pearson is not None and found.spearman is not None and found.kendall is not None
    assert round(found.pearson, 6) == 0.461376
    assert round(found.spearman, 6) == 0.487920
    assert round(found.kendall, 6) == 0.399218


@given(st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(LEVELS)), min_size=2, max_size=40))
def test_weighted_kappa_equals_statsmodels(pairs: list[tuple[float, float]]) -> None:
    rows, columns = [a for a, _ in pairs], [b for _, b in pairs]
    confusion = confusion_of(rows, columns, LEVELS)
    found = weighted_kappa(confusion, LEVELS)
    if len(set(rows + columns)) == 1:
        assert found is None
        return
    reference = cohens_kappa(np.array(confusion), wt="quadratic", return_results=False)
    assert found == pytest.approx(float(reference), abs=1e-9)


def test_unequal_steps_weigh_by_their_numbers() -> None:
    near, far = [[1, 1, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    levels = (0.0, 0.1, 1.0)
    small, large = weighted_kappa(near, levels), weighted_kappa(far, levels)
    assert small is not None and large is not None
    assert small > 0.95 > large


@pytest.mark.parametrize(
    ("x", "y"),
    [([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([1.0, 2.0], [2.0, 1.0]), ([], [])],
    ids=["constant", "two", "none"],
)
def test_what_cannot_be_correlated_is_none(x: list[float], y: list[float]) -> None:
    found = correlations(x, y)
    assert (found.pearson, found.spearman, found.kendall) == (None, None, None)
    assert found.n == len(x)


def test_groups_are_averaged_and_constant_ones_skipped() -> None:
    x = [1.0, 2, 3, 1, 2, 3, 5, 5, 5]
    y = [1.0, 2, 3, 3, 2, 1, 8, 9, 9]
    found = grouped_correlations(x, y, ["a"] * 3 + ["b"] * 3 + ["c"] * 3)
    assert (found.n_groups, found.n_skipped) == (2, 1)
    assert found.kendall == pytest.approx(0.0)
    assert correlations(x, y).kendall != pytest.approx(0.0)


def test_a_judge_that_agrees() -> None:
    people = [[1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, 4]]
    found = compare(ACCURACY, [1.1, 2.0, 2.9, 4.2, 4.8], people, groups=list("aaabb"), words=[5, 4, 3, 2, 1])
    assert (found.n, found.n_unscored, found.scale) == (5, 0, "criterion")
    # The people's mean of the last row, 4.5, lies between two levels and counts at the lower.
    assert found.confusion[3] == (0, 0, 0, 1, 1)
    assert found.kappa == pytest.approx(1 - 1 / 21.4 * 5 / 5, abs=0.05)
    assert found.overall.spearman == pytest.approx(1.0)
    assert found.human is not None and found.human.n == 5
    assert found.human_kappa is not None and found.human_kappa > 0.9


def test_rows_without_a_score_or_a_person_are_left_out_and_counted() -> None:
    found = compare(ACCURACY, [1.0, None, 3.0, 4.0, 5.0], [[1.0, 2.0, None, 4.0, 5.0], [None, 2.0, None, 4.0, None]])
    assert (found.n, found.n_unscored) == (3, 1)
    assert found.human is not None and found.human.n == 2


def test_yes_and_no_meet_the_better_half_of_the_scale() -> None:
    found = compare(ACCURACY, [5.0, 4.0, 2.0, 1.0], [[1.0, 1.0, 0.0, 0.0]])
    assert (found.scale, found.levels, found.kappa) == ("yes_no", (0.0, 1.0), 1.0)
    assert found.human is None


def test_another_scale_can_only_be_ranked() -> None:
    found = compare(ACCURACY, [5.0, 4.0, 2.0, 1.0], [[90.0, 70.0, 40.0, 10.0]], words=[1, 2, 3, 4])
    assert (found.scale, found.kappa, found.confusion, found.length_bias) == ("other", None, (), None)
    assert found.overall.spearman == pytest.approx(1.0)


@pytest.mark.parametrize(("criterion", "sign"), [("accuracy", 1), ("hallucination", -1)])
def test_a_judge_that_likes_length_is_found_out(criterion: str, sign: int) -> None:
    measure = load_criterion(criterion)
    words = list(range(1, 31))
    people: Sequence[float] = [measure.worst + (measure.best - measure.worst) / 2] * 30
    judge = [
        value + (measure.best - measure.worst) * (count / 30 - 0.5) for value, count in zip(people, words, strict=True)
    ]
    found = compare(measure, judge, [people], words=words)
    bias = found.length_bias
    assert bias is not None
    assert bias.spearman == pytest.approx(1.0)
    assert bias.shortest is not None and bias.longest is not None
    assert bias.shortest < -0.2 < 0.2 < bias.longest
    assert (judge[-1] > judge[0]) is (sign > 0)


def test_people_who_share_no_row_are_no_pair() -> None:
    assert pair_agreement([[1.0, None], [None, 2.0]], LEVELS) is None
    assert pair_agreement([[1.0, 2.0]], LEVELS) is None


def test_nobody_or_unequal_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one annotator"):
        compare(ACCURACY, [1.0], [])
    with pytest.raises(ValueError, match="equal lengths"):
        compare(ACCURACY, [1.0], [[1.0, 2.0]])


def test_two_estimators_beside_each_other() -> None:
    found = compare_estimators(ACCURACY, [1.0, 2.0, 3.0, 4.0, None], [1.5, 3.5, 4.0, 4.5, 5.0])
    assert (found.n, found.n_far) == (4, 1)
    assert found.mean_difference == pytest.approx(0.875)
    assert found.spearman == pytest.approx(1.0)
    hallucination = load_criterion("hallucination")
    assert compare_estimators(hallucination, [0.0, 0.5], [0.3, 0.7]).n_far == 1
