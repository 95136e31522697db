import random
from dataclasses import asdict
from typing import Any

import pytest

from ragft.pocket.grading import grade
from ragft.pocket.world import make_dataset
from ragft.pocket.world_judging import Grade, judge_item
from ragft.pocket.world_products import TRAINED, Wording, draw_product, names
from ragft.pocket.world_questions import Asker
from ragft.types import Question


def fact(attribute: str, value: str, product: str = "Amber Falcon", type_: str = "value") -> dict[str, Any]:
    return {"type": type_, "product": product, "attribute": attribute, "value": value}


def asked(*facts: dict[str, Any], answerable: bool = True) -> Question:
    return Question("q", "?", ("",), answerable=answerable, metadata={"facts": list(facts)})


PRICE = asked(fact("monthly price", "$24"))
TERM = asked(fact("contract length", "24 months"))
BOTH = asked(fact("monthly price", "$24"), fact("contract length", "12 months"))
ABSENT = asked(fact("monthly price", ""), answerable=False)
STEPS = asked(*(fact("cancel", s, type_="step") for s in ("open Billing", "tap Limits", "press Alerts")))
EQUAL = asked(fact("monthly price", "$24"), fact("monthly price", "yes", type_="verdict"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (PRICE, "The monthly price of Amber Falcon is $24."),
        (PRICE, "24 dollars"),
        (PRICE, "It is $24.00 a month."),
        (PRICE, "Not $31 but $24."),
        (PRICE, "Amber Falcon is billed at $24 each month."),
        (TERM, "Two years? No: 24 months."),
        (TERM, "It is a 24-month contract."),
        (TERM, "The contract runs for twenty-four months."),
        (TERM, "The contract runs for 2 years."),
        (BOTH, "The contract length is 12 months, and it costs $24 a month."),
        (BOTH, "The monthly price is $24. The contract term is one year."),
        (ABSENT, "The monthly price of Amber Falcon is not in the documents."),
        (ABSENT, "I don't know."),
        (STEPS, "First open the Billing page, then tap Limits, finally press Alerts."),
        (EQUAL, "Yes, it costs $24."),
    ],
)
def test_paraphrases_are_right(question: Question, answer: str) -> None:
    assert grade(question, answer).correct, grade(question, answer)


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (PRICE, "The monthly price of Amber Falcon is $42.", Grade(0, 1, 0)),
        (PRICE, "The monthly price of Amber Falcon is not $24.", Grade(0, 0, 1)),
        (PRICE, "It is $24 or $31.", Grade(0, 1, 0)),
        (PRICE, "The activation fee of Amber Falcon is $24.", Grade(0, 0, 1)),
        (PRICE, "The monthly price of Lunar Heron is $24.", Grade(0, 0, 1)),
        (PRICE, "24", Grade(0, 0, 1)),
        (PRICE, "Is the monthly price $24?", Grade(0, 0, 1)),
        (PRICE, "I do not know.", Grade(0, 0, 1, True)),
        (PRICE, "", Grade(0, 0, 1)),
        (TERM, "24 days", Grade(0, 0, 1)),
        (BOTH, "It costs $24.", Grade(1, 0, 1)),
        (BOTH, "It costs $24 and runs for 21 months.", Grade(1, 1, 0)),
        (ABSENT, "The monthly price of Amber Falcon is $24.", Grade(0, 1, 0)),
        (ABSENT, "Thank you for asking.", Grade(0, 0, 1)),
        (STEPS, "Open Billing, tap Limits.", Grade(2, 0, 1)),
        (STEPS, "Tap Limits, open Billing, press Alerts.", Grade(2, 1, 0)),
        (STEPS, "Open Billing, tap Limits, press Summary.", Grade(2, 1, 0)),
        (EQUAL, "No, it costs $24.", Grade(1, 1, 0)),
        (EQUAL, "Yes.", Grade(1, 0, 1)),
    ],
)
def test_what_is_wrong_or_missing_is_said_so(question: Question, answer: str, expected: Grade) -> None:
    assert grade(question, answer) == expected


def test_every_reference_of_a_data_set_is_right() -> None:
    questions = make_dataset(11, {"train": 150, "test": 60}).questions
    assert len(questions) == 210
    for question in questions:
        for reference in question.references:
            assert grade(question, reference).correct, (question, reference)


def test_the_grader_agrees_with_how_answers_were_made() -> None:
    rng = random.Random(2)
    pool = names("evaluation")
    kinds = set()
    for _ in range(600):
        product = draw_product(rng.choice(pool), rng)
        other = draw_product(rng.choice(pool), rng, product.kind)
        if product.name == other.name:
            continue
        item = judge_item(rng, product, other, Wording(0.4))
        found = grade(item_question(item.facts, answerable=item.answerable), item.answer)
        made = item.grade
        assert (found.right, found.wrong, found.missing) == (made.right, made.wrong, made.missing), item
        kinds.add(item.kind)
    assert kinds == {"right", "near", "other", "partial", "refusal", "elsewhere", "echo", "empty", "babble"}


def item_question(facts: Any, *, answerable: bool) -> Question:  # noqa: ANN401
    return asked(*(asdict(f) for f in facts), answerable=answerable)


def test_grades_follow_their_definition() -> None:
    assert [Grade(2, 0, 0).accuracy, Grade(1, 0, 1).accuracy, Grade(1, 1, 0).accuracy, Grade(0, 2, 0).accuracy] == [
        5,
        4,
        3,
        1,
    ]
    assert [Grade(3, 0, 0).completeness, Grade(2, 1, 0).completeness, Grade(1, 0, 2).completeness] == [5, 4, 2]
    assert Grade(0, 0, 1, True).accuracy == Grade(0, 0, 1, True).completeness == 1


def test_a_comparison_is_graded_on_both_values_and_the_choice() -> None:
    rng = random.Random(4)
    one, two = draw_product("Amber Falcon", rng, "router"), draw_product("Lunar Heron", rng, "router")
    attribute = "power draw"
    ask = Asker(rng, TRAINED).comparison(one, two, attribute)
    question = item_question(ask.facts, answerable=True)
    values = one.values[attribute], two.values[attribute]
    winner = ask.facts[2].value
    loser = two.name if winner == one.name else one.name
    assert grade(question, f"{one.name} has {values[0]} and {two.name} has {values[1]}, so {winner}.") == Grade(3, 0, 0)
    assert grade(question, f"{one.name} has {values[0]} and {two.name} has {values[1]}, so {loser}.") == Grade(2, 1, 0)
    assert grade(question, f"{winner}.") == Grade(1, 0, 2)
