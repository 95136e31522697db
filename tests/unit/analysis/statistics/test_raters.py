"""How far people disagree, and what it costs: small numbers that can be worked out by hand."""

import pytest

from ragft.analysis.statistics.raters import Disagreement, disagreement, half_width_without, own_noise


def test_people_differ_by_their_pooled_standard_deviation() -> None:
    found = disagreement([(1.0, 3.0, None), (2.0, None, None), (0.0, 0.0, 3.0)])
    assert found is not None
    assert found.pairs == 2
    assert found.sd == pytest.approx(1.633, abs=1e-3)
    assert disagreement([(1.0, None)]) is None


def test_one_score_differs_by_less_than_two_of_them() -> None:
    assert own_noise([(1.0, 3.0), (4.0, 4.0)]) == Disagreement(2, 1.0)
    assert own_noise([]) is None


def test_their_part_of_the_interval_is_that_of_the_questions_that_needed_asking() -> None:
    # 40 labels of one person each, who differ by a point: the mean of a tenth of all questions varies by .1 / sqrt(40).
    spread = 1.96 * 0.1 / 40**0.5
    half = (0.05**2 + spread**2) ** 0.5
    assert half_width_without(half, 1.0, [1.0] * 40, [1] * 40, share=0.1) == pytest.approx(0.05)
    assert half_width_without(half, 1.0, [2.0] * 40, [4] * 40, share=0.2) == pytest.approx(0.05)
    assert half_width_without(0.01, 1.0, [1.0], [1]) == 0.0
