import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from ragft.analysis.power import Spread, chance, n_to_show, power, sample_of, smallest_difference, spread_of
from tests.unit.analysis.studies import study

ALONE = Spread(sd=1.0, icc=0.0, source="a test")


@pytest.mark.parametrize(("n", "difference"), [(20, 0.4), (100, 0.2), (500, 0.1), (500, 0.5)])
def test_questions_alone_in_their_document_have_the_power_of_the_paired_t_test(n: int, difference: float) -> None:
    theirs = TTestPower().power(difference, n, 0.025, alternative="larger")

    assert chance(difference, sample_of([1] * n, ALONE)) == pytest.approx(theirs, abs=1e-6)


def test_about_two_hundred_questions_show_the_margin_at_a_spread_of_one() -> None:
    plan = power([1] * 150, ALONE, margin=0.2)
    theirs = TTestPower().solve_power(0.2, None, 0.025, 0.8, alternative="larger")

    assert plan.n_for_margin == int(np.ceil(theirs)) == 199
    assert plan.chance_at_margin < 0.8


def test_documents_with_several_questions_need_more_of_them() -> None:
    apart = power([1] * 300, ALONE, margin=0.2)
    together = power([3] * 100, Spread(1.0, 0.3, "a test"), margin=0.2)

    assert together.n_for_margin == pytest.approx(apart.n_for_margin * 1.6, rel=0.03)
    assert together.smallest_difference > apart.smallest_difference


def test_a_family_asks_for_more() -> None:
    one, two = power([1] * 200, ALONE, margin=0.2), power([1] * 200, ALONE, margin=0.2, family=2)

    assert two.smallest_difference > one.smallest_difference
    assert two.n_for_margin == one.n_for_margin


@settings(max_examples=30)
@given(st.floats(0.1, 3), st.integers(3, 400), st.floats(0.001, 0.05))
def test_the_smallest_difference_is_shown_with_four_in_five(sd: float, n: int, alpha: float) -> None:
    sample = sample_of([1] * n, Spread(sd, 0.0, "a test"))

    assert chance(smallest_difference(sample, alpha), sample, alpha) == pytest.approx(0.8, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.02, 2))
def test_so_many_questions_and_no_fewer_show_a_difference(difference: float) -> None:
    sample = sample_of([2] * 50, Spread(1.0, 0.2, "a test"))
    n = n_to_show(difference, sample)

    assert n is not None
    assert chance(difference, sample.of(n)) >= 0.8
    assert n <= 2 or chance(difference, sample.of(n - 1)) < 0.8


def test_no_number_of_questions_shows_what_is_not_there() -> None:
    sample = sample_of([1] * 50, ALONE)

    assert n_to_show(0.0, sample) is None
    assert n_to_show(-0.5, sample) is None
    assert n_to_show(1e-6, sample) is None


def test_answers_that_never_differ_show_anything() -> None:
    sample = sample_of([1] * 50, Spread(0.0, 0.0, "a test"))

    assert chance(0.1, sample) == 1.0
    assert chance(0.0, sample) == 0.0
    assert smallest_difference(sample) == 0.0


def test_the_spread_is_read_from_differences() -> None:
    values, labels = study(1, clusters=30)
    spread = spread_of(values, labels, "the dev split")

    assert spread.sd == pytest.approx(values.std(ddof=1))
    assert 0 < spread.icc < 1
    assert spread.source == "the dev split"
