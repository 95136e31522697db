import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from ragft.analysis.verdict.power import (
    Spread,
    chance,
    in_words,
    n_to_show,
    power,
    sample_of,
    smallest_difference,
    spread_of,
)
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

    assert apart.n_for_margin and apart.smallest_difference and together.smallest_difference
    assert together.n_for_margin == pytest.approx(apart.n_for_margin * 1.6, rel=0.03)
    assert together.smallest_difference > apart.smallest_difference


def test_a_family_asks_for_more() -> None:
    one, two = power([1] * 200, ALONE, margin=0.2), power([1] * 200, ALONE, margin=0.2, family=2)

    assert one.smallest_difference and two.smallest_difference
    assert two.smallest_difference > one.smallest_difference
    assert two.n_for_margin == one.n_for_margin


def test_a_gain_larger_than_the_scale_is_none() -> None:
    few = power([1] * 3, ALONE, margin=0.2)
    assert few.smallest_difference is not None and few.smallest_difference > 1
    assert power([1] * 3, ALONE, margin=0.2, most=1.0).smallest_difference is None
    assert power([1] * 300, ALONE, margin=0.2, most=1.0).smallest_difference is not None


@settings(max_examples=30)
@given(st.floats(0.1, 3), st.integers(3, 400), st.floats(0.001, 0.05))
def test_the_smallest_difference_is_shown_with_four_in_five(sd: float, n: int, alpha: float) -> None:
    sample = sample_of([1] * n, Spread(sd, 0.0, "a test"))

    smallest = smallest_difference(sample, alpha)
    assert smallest is not None
    assert chance(smallest, sample, alpha) == pytest.approx(0.8, abs=1e-3)


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


def test_rare_large_losses_make_a_gain_harder_to_show() -> None:
    even, skewed = (sample_of([1] * 100, Spread(1.0, 0.0, "a test", skew=skew)) for skew in (0.0, -2.0))

    assert chance(0.25, skewed) < chance(0.25, even) - 0.03


def test_skewness_that_unequal_documents_hide_makes_a_gain_harder_to_show() -> None:
    values, labels = np.array([-3.0, 1.0, 1.0, 1.0]), ["a", "b", "c", "c"]
    losses, gains = spread_of(values, labels, "a test"), spread_of(-values, labels, "a test")
    assert losses.hidden < -0.5 and gains.hidden == 0
    assert spread_of(values, list("abcd"), "a test").hidden == pytest.approx(0.0)

    plain, hiding = (sample_of([1] * 100, Spread(1.0, 0.0, "a test", hidden=hidden)) for hidden in (0.0, -1.0))
    assert chance(0.25, hiding) < chance(0.25, plain) - 0.03


def test_unscored_answers_count_at_their_worst() -> None:
    whole, holed = (sample_of([1] * 100, Spread(1.0, 0.0, "a test", cost=cost)) for cost in (0.0, 0.04))

    assert chance(0.25, holed) == chance(0.21, whole)
    assert n_to_show(0.03, holed) is None


def test_room_for_an_unseen_document_counts_where_few_documents_lose() -> None:
    def shown(clusters: int, losing: float, unseen: float) -> float:
        return chance(0.4, sample_of([1] * clusters, Spread(1.0, 0.0, "a test", losing=losing, unseen=unseen)))

    assert shown(200, 0.3, 4.0) == pytest.approx(shown(200, 0.3, 0.0), abs=1e-6)
    assert shown(60, 0.05, 4.0) < shown(60, 0.3, 4.0) - 0.05


def test_answers_that_all_tie_show_non_inferiority_with_enough_of_them() -> None:
    ties = spread_of(np.zeros(30), [f"d{index}" for index in range(30)], "a test", extreme=4.0)

    assert (ties.sd, ties.losing, ties.unseen) == (0.0, 0.0, 4.0)
    few, many = power([1] * 20, ties, margin=0.2), power([1] * 200, ties, margin=0.2)
    assert (few.chance_at_margin, many.chance_at_margin) == (0.0, 1.0)
    assert few.n_for_margin is not None and 40 < few.n_for_margin < 80


def test_documents_too_few_for_any_gain_say_so() -> None:
    assert smallest_difference(sample_of([5, 5], Spread(1.0, 0.5, "a test", unseen=3.0))) is None


@pytest.mark.parametrize(
    ("documents", "spread", "why"),
    [
        (40, Spread(1.0, 0.1, "a test", losing=0.3), ""),
        (39, Spread(1.0, 0.1, "a test", losing=0.3), "there are fewer than 40 independent groups of documents"),
        (300, Spread(0.7, 0.0, "a test", skew=-4.0, losing=0.024), "only about 7 of the groups get worse"),
        (300, Spread(1.0, 0.0, "a test", losing=0.3, cost=0.02), "some answers lack a score"),
    ],
)
def test_power_is_called_a_rough_guide_where_simulation_found_it_off(documents: int, spread: Spread, why: str) -> None:
    plan = power([2] * documents, spread, margin=0.2)

    assert plan.doubt == why
    said = in_words("accuracy", plan)
    assert said.endswith(f" A rough guide only, since {why}." if why else "measured on a test.")
