"""The threshold is the laxest that the tail allows, from the strictest on, and an error says what would be needed."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from ragft.analysis.verification.curve import curve, point
from ragft.analysis.verification.threshold import Checked, choose, thresholds

N = 200
ALONE = [f"d{number}" for number in range(N)]


def ranked(wrong: list[int], n: int = N) -> Checked:
    """Answers with scores n, n - 1, ..., 1; those at the places ``wrong``, from the best on, are wrong."""
    so = np.zeros(n)
    so[wrong] = 1.0
    return Checked(np.arange(n, 0, -1).astype(float), so, ALONE[:n], n)


def test_thresholds_follow_from_the_scores_alone() -> None:
    found = thresholds(np.arange(1.0, 101.0))
    assert (found[0], found[1], found[-1]) == (95.0, 90.0, -np.inf)
    assert len(found) == 20
    assert thresholds(np.array([-np.inf, -np.inf])) == []
    assert thresholds(np.array([1.0, 1.0])) == [1.0, -np.inf]


def test_the_sequence_begins_where_none_wrong_would_do_and_ends_at_the_first_that_fails() -> None:
    # 22 answers without a wrong one are the fewest for 10 % at 90 %: 0.9^22 = 0.098. From the 100th on all are wrong.
    chosen = choose(ranked(list(range(100, N))), 0.1, 0.9)
    assert chosen.chosen is not None
    assert [each.leaving.n for each in chosen.tested] == [30, 40, 50, 60, 70, 80, 90, 100, 110]
    assert chosen.chosen.leaving.n == 100
    assert chosen.tested[0].p == pytest.approx(stats.binom.cdf(0, 30, 0.1))
    assert chosen.tested[-1].p == pytest.approx(stats.binom.cdf(10, 110, 0.1))


def test_a_failure_hides_what_a_laxer_threshold_would_show() -> None:
    # 5 of the best 30 are wrong, none of the others: at 200 answers 5 wrong ones are few, but nobody may look there.
    refused = choose(ranked([0, 1, 2, 3, 4]), 0.1, 0.9)
    assert refused.chosen is None
    assert len(refused.tested) == 1
    assert refused.needed is None, "with more questions the sequence begins at a stricter part, which is no better"


def test_an_answer_without_a_score_never_leaves() -> None:
    checked = dataclasses.replace(ranked([]), scores=np.where(np.arange(N) < 100, 1.0 + np.arange(N), -np.inf))
    chosen = choose(checked, 0.1, 0.9).chosen
    assert chosen is not None
    assert (chosen.threshold, chosen.leaving.n) == (-np.inf, 100)


def test_documents_that_are_alike_count_less() -> None:
    wrong = np.repeat(np.array([1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 10)
    checked = Checked(np.ones(100), wrong, [str(number // 10) for number in range(100)], 100)
    assert checked.rho == pytest.approx(1.0)
    assert choose(checked, 0.2, 0.9).chosen is None
    assert choose(dataclasses.replace(checked, labels=ALONE[:100]), 0.2, 0.9).chosen is not None


def test_a_refusal_says_how_many_questions_would_be_needed() -> None:
    few = choose(ranked([0], 20), 0.1, 0.9)
    assert few.chosen is None
    assert few.best is not None
    assert few.needed is not None
    # One in twenty is wrong: so many questions, and 5 % of them wrong, are enough; a tenth fewer are not.
    assert stats.binom.cdf(0.05 * few.needed, few.needed, 0.1) <= 0.1
    assert stats.beta.sf(0.1, 0.05 * 0.9 * few.needed + 1, 0.95 * 0.9 * few.needed) < 0.9
    assert choose(ranked(list(range(0, 20, 5)), 20), 0.1, 0.9).needed is None
    nothing = choose(Checked(np.array([]), np.array([]), [], 5), 0.1, 0.9)
    assert (nothing.chosen, nothing.best, nothing.needed) == (None, None, None)


def test_a_stricter_part_with_few_wrong_answers_can_be_enough() -> None:
    # All of the best 80 % are right: too few to begin, and all 20 together are too often wrong.
    refused = choose(ranked(list(range(16, 20)), 20), 0.1, 0.9)
    assert (refused.chosen, refused.tested) == (None, ())
    assert refused.best is not None
    assert (refused.best.leaving.n, refused.best.leaving.count, refused.needed) == (16, 0, 28)
    assert choose(ranked(list(range(24, 30)), 30), 0.1, 0.9).chosen is not None
    # The sequence began, and ended at once with 8 wrong among 30: the best 20 hold none of them.
    ended = choose(ranked([*range(20, 28), *range(100, N)]), 0.1, 0.9)
    assert [each.leaving.n for each in ended.tested] == [30]
    assert ended.best is not None
    assert (ended.best.leaving.n, ended.best.leaving.count) == (20, 0)
    assert ended.needed == 219


def test_the_curve_ends_with_all_answers() -> None:
    checked = dataclasses.replace(ranked([150, 160]), asked=400)
    points = curve(checked, [100.0, -np.inf])
    assert [(each.leaving, each.wrong, each.coverage) for each in points] == [
        (100, 0, 0.25),
        (200, 2, 0.5),
        (200, 2, 0.5),
    ]
    assert points[1].risk == 0.01
    assert points[1].low < 0.01 < points[1].high
    assert points[-1].threshold is None
    unscored = dataclasses.replace(checked, scores=np.full(N, -np.inf))
    assert (point(unscored, 0.5).leaving, point(unscored, None).leaving) == (0, 200)


def test_the_area_is_how_often_a_right_answer_is_above_a_wrong_one() -> None:
    assert ranked([198, 199]).auc == 1.0
    assert ranked([0, 1]).auc == 0.0
    assert ranked([]).auc is None
