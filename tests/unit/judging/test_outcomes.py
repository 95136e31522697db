"""Right, wrong or abstained, by the best rule the data have."""

import pytest

from ragft.judging.agreement import compare
from ragft.judging.outcomes import AtTheCut, at_the_cut, harm_of, is_right, judged_right, outcome_of
from ragft.pocket.world import make_dataset
from ragft.prompts.criterion import load_criterion
from ragft.types import Question

ACCURACY = load_criterion("accuracy")
SHORT = Question("q", "Who wrote it?", ("It was written by Ann Lee.",), metadata={"short_answers": ["Ann Lee"]})


def test_telecom_is_graded_by_its_facts() -> None:
    question = next(q for q in make_dataset(0).questions if q.answerable and q.metadata["form"] == "one_fact")
    value = question.metadata["facts"][0]["value"]
    assert is_right(question, question.references[0]) is True
    assert is_right(question, "That is not in the documents.") is False
    assert is_right(question, question.references[0].replace(value, "$99999 and 99999 GB")) is False


@pytest.mark.parametrize(
    ("answer", "right"), [("Ann Lee", True), ("By Ann Lee, in 1990.", True), ("Bob", False), ("I am Ann.", False)]
)
def test_short_answers_are_matched_as_whole_words(answer: str, right: bool) -> None:
    assert is_right(SHORT, answer) is right


def test_a_short_reference_of_other_data_can_only_say_yes() -> None:
    plain = Question("q", "How long?", ("twelve months",))
    assert is_right(plain, "It lasts twelve months.") is True
    assert is_right(plain, "A year.") is None
    long = Question("q", "Why?", ("Because the pressure in the tank rises faster than the valve can open.",))
    assert is_right(long, long.references[0]) is None


def test_without_an_answer_nothing_is_right_by_a_rule() -> None:
    assert is_right(Question("q", "why?", ("Unanswerable",), answerable=False), "Unanswerable") is None


@pytest.mark.parametrize(
    ("right", "judged", "abstained", "outcome"),
    [
        (True, None, False, "right"),
        (True, False, True, "right"),
        (False, True, False, "wrong"),
        (False, None, True, "abstained"),
        (None, True, False, "right"),
        (None, False, False, "wrong"),
        (None, True, True, "abstained"),
        (None, None, False, None),
    ],
)
def test_a_rule_goes_before_the_judge_and_an_abstention_before_both_but_a_right_answer(
    right: bool | None, judged: bool | None, abstained: bool, outcome: str | None
) -> None:
    assert outcome_of(right, judged, abstained=abstained) == outcome


def test_a_judge_says_right_from_three_quarters_of_the_scale() -> None:
    assert [judged_right(ACCURACY, score) for score in (5.0, 4.0, 3.9, 1.0, None)] == [True, True, False, False, None]


def test_an_answer_without_support_does_harm_unless_it_is_right_from_memory() -> None:
    assert [harm_of("false_answer", each) for each in ("right", "abstained", "wrong", None)] == [0.0, 0.0, 1.0, 1.0]
    assert [harm_of("false_refusal", each) for each in ("right", "abstained", "wrong", None)] == [0.0, 1.0, 0.0, 0.0]


def test_at_the_cut_both_kinds_of_error_are_counted() -> None:
    judge = [5.0, 4.0, 3.9, 2.0, 4.5, None, 5.0]
    found = at_the_cut(ACCURACY, judge, [5.0, 3.5, 4.0, 1.0, 4.0, 5.0, None])
    assert found == AtTheCut(right=3, wrong=2, missed=1, passed=1)
    assert found.sentence == (
        "as right or wrong, judge and people agree on 3 of 5 answers: it calls 1 of 3 right ones wrong, and 1 of 2 "
        "wrong ones right"
    )
    assert at_the_cut(ACCURACY, judge[:2], [1.0, 0.0], yes_no=True) == AtTheCut(1, 1, 0, 1)
    assert at_the_cut(ACCURACY, [None], [5.0]) is None


@pytest.mark.parametrize(
    ("criterion", "people", "known"),
    [("accuracy", [4.0, 1.0], True), ("accuracy", [9.5, 1.0], False), ("completeness", [4.0, 1.0], False)],
)
def test_only_accuracy_on_its_own_scale_says_what_is_right(criterion: str, people: list[float], known: bool) -> None:
    assert (compare(load_criterion(criterion), [5.0, 2.0], [people]).cut is not None) is known
