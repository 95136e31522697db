"""Which questions people are asked about: the probabilities, the draw, and the width that is foreseen."""

import numpy as np
import pytest

from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.corrected import corrected_sums
from ragft.analysis.statistics.label_sampling import draw_questions, expected_half_width, inclusion_probabilities
from ragft.analysis.statistics.resampling import draw, resample

CLUSTER = np.repeat(np.arange(25), 4)


def test_probabilities_grow_with_the_doubt_are_never_0_and_add_up_to_the_budget() -> None:
    doubt = np.random.default_rng(0).exponential(size=(5, 100))
    doubt[:, :3] = (0, 50, 90)
    found = inclusion_probabilities(doubt, 30)

    assert found.sum(axis=1) == pytest.approx(30)
    assert (found >= 0.5 * 30 / 100 - 0.05).all() and (found <= 1).all()
    assert found[0, 2] == 1  # would be asked more than once otherwise
    order = np.argsort(doubt[0])
    assert (np.diff(found[0, order]) >= -1e-12).all()


def test_doubt_that_is_alike_everywhere_asks_a_uniform_sample() -> None:
    assert inclusion_probabilities(np.zeros(10), 3) == pytest.approx(0.3)
    assert inclusion_probabilities(np.full(10, 7.0), 3) == pytest.approx(0.3)
    assert (inclusion_probabilities(np.arange(10.0), 12) == 1).all()


def test_the_same_answers_are_never_asked_about() -> None:
    same = (np.arange(100) % 2 == 0).astype(float)
    found = inclusion_probabilities(np.arange(100.0), 20, same=same)

    assert found.sum() == pytest.approx(20)
    assert (found[same == 1] == 0).all() and (found[same == 0] > 0).all()
    assert inclusion_probabilities(np.arange(100.0), 80, same=same).tolist() == (1 - same).tolist()


@pytest.mark.parametrize(("doubt", "budget"), [([1.0, 1.0], 0), ([1.0, -1.0], 1), ([1.0, np.nan], 1)])
def test_what_is_no_budget_and_no_doubt_is_refused(doubt: list[float], budget: int) -> None:
    with pytest.raises(ValueError, match=r"expected at least 1|below 0 or not finite"):
        inclusion_probabilities(np.array(doubt), budget)


def test_each_question_is_drawn_with_its_probability_and_always_as_many() -> None:
    probability = inclusion_probabilities(np.random.default_rng(1).exponential(size=100), 23)
    asked = draw_questions(np.broadcast_to(probability, (4000, 100)), CLUSTER, np.random.default_rng(2))

    assert (asked.sum(axis=1) == 23).all()
    assert np.abs(asked.mean(axis=0) - probability).max() < 0.035  # 4.4 standard errors


def test_the_sample_is_spread_over_the_documents() -> None:
    asked = draw_questions(np.full((100, 100), 0.25), CLUSTER, np.random.default_rng(3))
    assert (asked.reshape(100, 25, 4).sum(axis=2) == 1).all()


def test_the_width_that_is_foreseen_is_the_one_that_comes_out() -> None:
    rng = np.random.default_rng(4)
    doubt = np.where(rng.random(100) < 0.3, 1.5, 0.3)
    judge = rng.normal(size=100)
    probability = inclusion_probabilities(doubt, 40)
    foreseen = expected_half_width(judge, doubt, probability, CLUSTER, extreme=4, step=1)
    people = np.clip(np.round(judge + doubt * rng.normal(size=(200, 100))), -4, 4)
    shape = people.shape
    asked = draw_questions(np.broadcast_to(probability, shape), CLUSTER, rng)
    found = corrected_sums(
        np.broadcast_to(judge, shape), np.where(asked, people, np.nan), np.broadcast_to(probability, shape), CLUSTER
    )
    drawn = resample(found.sums, draw(25, 799, rng))
    low, high = (deciding_bounds(found.sums, drawn, [a], 4, told=found.told)[0] for a in (0.025, 0.975))

    assert foreseen == pytest.approx(float((high - low).mean() / 2), rel=0.05)
    more = expected_half_width(judge, doubt, inclusion_probabilities(doubt, 80), CLUSTER, extreme=4, step=1)
    assert more < foreseen
