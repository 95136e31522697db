"""Which questions have a short closed-book answer, and what a reply to one says."""

from pathlib import Path

import pytest

from ragft.data.load import load
from ragft.judging.closed_book import applies, exemplar_answer, verdict
from ragft.pocket.world import make_dataset
from ragft.types import Question

DATA = Path(__file__).parents[2] / "data"
PLACE = Question("q", "Where?", ("India",), metadata={"short_answers": ["Republic of India", "India"]})


def test_telecom_applies_to_single_facts_only() -> None:
    questions = make_dataset(0, {"train": 200}).questions
    kinds = {question.kind for question in questions if applies(question)}
    assert kinds == {"one_fact"}
    assert sum(map(applies, questions)) == sum(question.kind == "one_fact" for question in questions) > 50


def test_short_answers_of_the_real_sets_apply() -> None:
    relations = load("entity_questions", str(DATA / "entity_questions" / "P17.dev.json")).questions
    assert sum(map(applies, relations)) == len(relations) == 1000
    biomedical = load("bioasq", str(DATA / "bioasq" / "10B6_golden.json")).questions
    assert {question.kind for question in biomedical if applies(question)} == {"factoid"}
    papers = load("qasper", str(DATA / "qasper" / "qasper-4papers-v0.3.json")).questions
    assert not any(map(applies, papers))


@pytest.mark.parametrize(
    ("answer", "exact", "contained"),
    [
        ("India", "right", "right"),
        ("the republic of India.", "right", "right"),
        ("India\n\nQuestion: Where is Paris?\nAnswer: France", "right", "right"),
        ("\nIndia", "right", "right"),
        ("It is in India.", "false", "right"),
        ("Indiana", "false", "false"),
        ("France\nIndia", "false", "false"),
        ("", "silent", "silent"),
        ("...", "silent", "silent"),
    ],
)
def test_verdicts_by_exact_match_and_by_containment(answer: str, exact: str, contained: str) -> None:
    assert verdict(PLACE, answer) == exact
    assert verdict(PLACE, answer, contained=True) == contained


def test_telecom_is_judged_by_its_truth() -> None:
    question = next(q for q in make_dataset(0, {"train": 50}).questions if applies(q))
    fact = question.metadata["facts"][0]
    assert verdict(question, question.references[0]) == "right"
    assert verdict(question, f"The {fact['attribute']} of {fact['product']} is not known to me.") == "silent"
    other = "$999999" if fact["value"].startswith("$") else question.references[0].replace(fact["value"], "")
    assert verdict(question, other) != "right"


def test_an_example_shows_the_first_short_answer() -> None:
    assert exemplar_answer(PLACE) == "Republic of India"
    assert exemplar_answer(Question("q", "?", ("A sentence.",))) == "A sentence."
