"""Abstaining, told from answering: the world's own refusals, other wordings, and answers that only look so."""

import pytest

from ragft.judging.abstention import ABSTENTION_CELLS, abstains, abstention_table
from ragft.pocket.world import make_dataset


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n",
        "Unanswerable",
        "I do not know.",
        "I don't know the answer to that.",
        "The passages do not contain the answer. They describe the roaming fee.",
        "The passages don't say what the fee is.",
        "It is not mentioned in the text.",
        "Sorry. That is not stated.",
        "I'm sorry, but I cannot answer this from the passages.",
        "There is no information about that.",
        "This cannot be determined from the passages.",
        "N/A",
        "None.",
        "-",
        "null",
        "nan",
        "Not found.",
        "Not mentioned",
        "Insufficient information.",
        "Not enough information",
        '"n/a" ...',
        "... ?",
        100_000 * "-",
    ],
)
def test_abstentions(answer: str) -> None:
    assert abstains(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "It costs $24.",
        "No.",
        "No, roaming is not included.",
        "The documents do not say so outright, but the fee is $24.",
        "It is not known for speed. However, it is cheap.",
        "You cannot cancel in the first month.",
        "BERT, because no pre-training was needed.",
        "None of the three.",
        "Nothing but water.",
        100_000 * "-" + "a",
        "none" + 100_000 * "-" + "a",
    ],
)
def test_answers(answer: str) -> None:
    assert not abstains(answer)


def test_the_worlds_references() -> None:
    questions = make_dataset(5).questions
    wrong = [q.references[0] for q in questions if abstains(q.references[0]) is q.answerable]
    assert {question.answerable for question in questions} == {True, False}
    assert wrong == []


def test_the_table_counts_four_cells() -> None:
    given = [("$24", True), ("I do not know.", True), ("$3", False), ("", False), ("Unknown", False)]
    found = abstention_table((answer, "How much is it?", answerable) for answer, answerable in given)
    assert [found[cell] for cell in ABSTENTION_CELLS] == [1.0, 1.0, 1.0, 2.0]
    assert abstention_table([]) == {}
