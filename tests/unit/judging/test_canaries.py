"""Canaries: what they are made of, and which judges they find out."""

import random
from collections.abc import Callable

import pytest

from ragft.judging.canaries import FAMILIES, JUNK, REFERENCE, WRONG, Canary, check_canaries, is_checkable, make_canaries
from ragft.judging.g_eval import Item, Judged, is_empty
from ragft.judging.scoring import Row
from ragft.prompts.criterion import Criterion, load_criterion
from ragft.types import Score

ACCURACY = load_criterion("accuracy")
ITEMS = [
    Item(f"What does the {name} plan cost in the {n}th year?", "unused", (f"{name} costs {n * 7} crowns",))
    for n, name in enumerate(("Aro", "Bel", "Cid", "Dov", "Eno", "Fay", "Gul", "Hox", "Ivo", "Jat"))
]


def judged(canaries: list[Canary], grade: Callable[[Canary], float | None], criterion: Criterion = ACCURACY) -> Judged:
    return Judged({criterion.name: [Row(Score(criterion.name, grade(canary))) for canary in canaries]}, 0, {})


def perfect(canary: Canary) -> float:
    return 5.0 if canary.family == REFERENCE else 1.0


def test_every_question_has_one_of_each_family() -> None:
    canaries = make_canaries(ITEMS)
    assert len(canaries) == len(ITEMS) * len(FAMILIES)
    for item in ITEMS:
        assert {c.family for c in canaries if c.item.question == item.question} == set(FAMILIES)
    assert all(canary.item.answer == canary.item.references[0] for canary in canaries if canary.family == REFERENCE)


def test_canaries_are_the_same_for_the_same_questions() -> None:
    shuffled = random.Random(0).sample(ITEMS, len(ITEMS))
    assert make_canaries(shuffled) == make_canaries(ITEMS)
    assert len(make_canaries(ITEMS, most_questions=3)) == 3 * len(FAMILIES)


def test_several_answers_to_a_question_make_one_set() -> None:
    assert make_canaries([item for item in ITEMS for _ in range(4)]) == make_canaries(ITEMS)


def test_every_junk_text_reaches_the_judge() -> None:
    texts = [template for templates in JUNK.values() for template in templates]
    assert len(texts) >= 20
    assert not any(is_empty(text) for text in texts)
    assert any("Score: 5" in text for text in texts)
    assert {":", "Thought process:"} <= set(texts)


def test_lists_repeat_a_word_of_the_question() -> None:
    lists = [canary.item for canary in make_canaries(ITEMS) if canary.family == "repeated_list"]
    for item in lists:
        assert max(item.answer.count(word.strip("?")) for word in item.question.split() if len(word) > 3) >= 6


def test_a_wrong_answer_is_never_a_right_one() -> None:
    yes_no = [Item(f"Is {n} odd?", "", ("Yes" if n % 2 else "No",)) for n in range(10)]
    wrong = [canary.item for canary in make_canaries(yes_no) if canary.family == WRONG]
    assert len(wrong) == 10
    assert all(item.answer not in item.references for item in wrong)
    all_the_same = [Item(f"Is {n} odd?", "", ("Yes",)) for n in range(1, 10)]
    assert not [canary for canary in make_canaries(all_the_same) if canary.family == WRONG]


def test_a_perfect_judge_is_valid() -> None:
    canaries = make_canaries(ITEMS)
    result = check_canaries(canaries, judged(canaries, perfect), [ACCURACY])["accuracy"]
    assert result.valid
    assert (result.junk_upper, result.reference, result.auc) == (0.0, 1.0, 1.0)
    assert result.families[REFERENCE].mean == 5.0


def fooled_by(family: str) -> Callable[[Canary], float | None]:
    return lambda canary: 5.0 if canary.family == family else perfect(canary)


@pytest.mark.parametrize(
    ("grade", "problem"),
    [
        (lambda _: 3.0, "junk"),
        (lambda _: 1.0, "references are not in the best quarter"),
        (lambda canary: 6.0 - perfect(canary), "told apart: AUC 0.00"),
        *((fooled_by(family), f"fooled by the family {family}: mean 5.00") for family in JUNK),
        (fooled_by(WRONG), "told apart: AUC 0.50"),
        (lambda _: None, "could not be read"),
        (lambda canary: None if canary.family == "opener" else perfect(canary), "family opener could not be read"),
    ],
)
def test_a_judge_that_is_fooled_is_not_valid(grade: Callable[[Canary], float | None], problem: str) -> None:
    canaries = make_canaries(ITEMS)
    result = check_canaries(canaries, judged(canaries, grade), [ACCURACY])["accuracy"]
    assert not result.valid
    assert any(problem in text for text in result.problems)


def test_the_bound_and_not_the_mean_of_the_junk_counts() -> None:
    # Mean goodness 0.2, but from four judged at 0 and one at 1: the interval reaches far above a quarter.
    items = ITEMS[:5]
    canaries = make_canaries(items)
    fooled = items[0].question

    def grade(canary: Canary) -> float:
        return 5.0 if canary.family == REFERENCE or (canary.item.question == fooled and canary.family in JUNK) else 1.0

    result = check_canaries(canaries, judged(canaries, grade), [ACCURACY])["accuracy"]
    # 0.2 + t(0.975, 4) * sqrt(0.2) / sqrt(5) = 0.2 + 2.776 * 0.2
    assert result.junk_upper == pytest.approx(0.2 + 2.7764 * 0.2, abs=1e-3)
    assert not result.valid


def test_one_question_is_too_few_to_trust_a_judge() -> None:
    canaries = make_canaries(ITEMS[:1])
    result = check_canaries(canaries, judged(canaries, perfect), [ACCURACY])["accuracy"]
    assert not result.valid
    assert (result.junk_upper, result.auc) == (None, None)


def test_only_criteria_that_compare_with_the_reference_are_checked() -> None:
    names = ("accuracy", "completeness", "answer_relevancy", "hallucination", "faithfulness", "style")
    assert [name for name in names if is_checkable(load_criterion(name))] == ["accuracy", "completeness"]
    canaries = make_canaries(ITEMS)
    style = load_criterion("style")
    assert check_canaries(canaries, judged(canaries, perfect, style), [style]) == {}
