"""SliCK categories, Wilson's interval and doses of Unknown examples."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from ragft.analysis.knowledge.categories import (
    Category,
    Estimate,
    count_categories,
    dose,
    slices_by_category,
    wilson,
)
from ragft.errors import ConfigError
from ragft.types import Question

QUESTIONS = [Question(id=f"q{number:03d}", text=f"Q{number}?", references=("a",)) for number in range(60)]
MIXED: dict[str, Category] = {
    question.id: ("HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown", "Unknown")[number % 5]
    for number, question in enumerate(QUESTIONS[:50])
}


@pytest.mark.parametrize(
    ("counts", "category"),
    [
        ((10, 10, 0, 160), "HighlyKnown"),
        ((10, 10, 160, 160), "HighlyKnown"),
        ((9, 10, 160, 160), "MaybeKnown"),
        ((1, 10, 0, 160), "MaybeKnown"),
        ((0, 10, 1, 160), "WeaklyKnown"),
        ((0, 10, 160, 160), "WeaklyKnown"),
        ((0, 10, 0, 160), "Unknown"),
        ((0, 4, 0, 0), "Unknown"),
    ],
)
def test_categories_are_those_of_the_study(counts: tuple[int, int, int, int], category: str) -> None:
    assert Estimate(*counts).category == category


@given(st.integers(1, 200).flatmap(lambda asked: st.tuples(st.integers(0, asked), st.just(asked))))
def test_wilson_is_that_of_statsmodels(counts: tuple[int, int]) -> None:
    assert wilson(*counts) == pytest.approx(proportion_confint(*counts, method="wilson"), abs=1e-12)


def test_nothing_asked_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert Estimate(1, 2, 0, 0).sampled_interval == (0.0, 1.0)


def test_counts_list_every_category_and_what_was_left_out() -> None:
    found = count_categories(["Unknown", "not applicable", "Unknown"])
    assert found == {"HighlyKnown": 0, "MaybeKnown": 0, "WeaklyKnown": 0, "Unknown": 2, "not applicable": 1}


def parts(chosen: tuple[Question, ...], categories: Mapping[str, Category] = MIXED) -> tuple[set[str], set[str]]:
    unknown = {question.id for question in chosen if categories[question.id] == "Unknown"}
    return {question.id for question in chosen} - unknown, unknown


@pytest.mark.parametrize(("share", "unknown"), [(0.0, 0), (0.25, 5), (0.5, 10), (1.0, 20)])
def test_a_dose_has_the_number_of_samples_and_the_share(share: float, unknown: int) -> None:
    chosen = dose(QUESTIONS, MIXED, 20, share, 0, "probe")
    known_ids, unknown_ids = parts(chosen)
    assert (len(known_ids), len(unknown_ids)) == (20 - unknown, unknown)
    assert len({question.id for question in chosen}) == 20


def test_doses_differ_by_the_dose_alone() -> None:
    little, much = (parts(dose(QUESTIONS, MIXED, 20, share, 3, "probe")) for share in (0.25, 0.75))
    assert little[1] < much[1]
    assert much[0] < little[0]
    assert parts(dose(QUESTIONS, MIXED, 20, 0.25, 4, "probe")) != little


@pytest.mark.parametrize(("samples", "share"), [(31, 0.0), (21, 1.0), (50, 0.5)])
def test_too_few_of_either_says_how_many_there_are(samples: int, share: float) -> None:
    with pytest.raises(ConfigError, match=r"of 50 probed ones of the train split 30 are Known and 20 Unknown.*the way"):
        dose(QUESTIONS, MIXED, samples, share, 0, "the way")


def test_slices_hold_the_probed_questions_by_category() -> None:
    slices = slices_by_category(QUESTIONS, MIXED)
    assert list(slices) == ["known: HighlyKnown", "known: MaybeKnown", "known: WeaklyKnown", "known: Unknown"]
    assert sorted(id_ for ids in slices.values() for id_ in ids) == sorted(MIXED)
    assert slices_by_category(QUESTIONS, {}) == {}
