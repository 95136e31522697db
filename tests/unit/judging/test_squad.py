"""The official scorer of SQuAD 2.0, written once more in other words and held against ours."""

import re
import string
from collections.abc import Sequence
from pathlib import Path

import pytest

from ragft.data import squad as data
from ragft.judging.squad import squad_exact, squad_f1, squad_metrics
from ragft.types import Question
from tests.unit.data.layouts import DATA

REAL = DATA / "squad" / "dev-v2.0.json"


def official(prediction: str, gold: Sequence[str]) -> tuple[float, float]:
    """What evaluate-v2.0.py prints for one question: exact and F1, over the answers that are not empty, normalised."""

    def tokens(text: str) -> list[str]:
        kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", kept).split()

    def f1(one: list[str], other: list[str]) -> float:
        if not one or not other:
            return float(one == other)
        shared = sum(min(one.count(word), other.count(word)) for word in set(one))
        return (
            0.0
            if shared == 0
            else 2 * (shared / len(one)) * (shared / len(other)) / (shared / len(one) + shared / len(other))
        )

    answers = [tokens(text) for text in gold if tokens(text)] or [[]]
    said = tokens(prediction)
    return max(float(said == each) for each in answers), max(f1(said, each) for each in answers)


def test_the_real_file_with_answers_right_half_right_and_none() -> None:
    questions = data.read(REAL).loaded().dataset.questions
    totals = [0.0, 0.0]
    for number, question in enumerate(questions):
        gold = question.references if question.answerable else ()
        traps = question.metadata.get("plausible_answers", [""])
        said = (gold or traps)[-1] if number % 3 == 0 else f"It is {gold[0]}." if gold and number % 3 == 1 else ""
        exact, f1 = official(said, gold)
        assert (squad_exact(said, gold), squad_f1(said, gold)) == pytest.approx((exact, f1), abs=1e-12)
        totals = [totals[0] + exact, totals[1] + f1]
    assert 0 < totals[0] < totals[1] < len(questions)


@pytest.mark.parametrize(
    ("prediction", "gold", "exact", "f1"),
    [
        ("The Normans!", ["normans"], 1.0, 1.0),
        ("in the 10th century", ["10th century", "the 10th"], 0.0, 0.8),
        ("", ["x"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("the", [], 1.0, 1.0),
        ("x", [], 0.0, 0.0),
        ("", ["The"], 1.0, 1.0),
    ],
)
def test_worked_cases(prediction: str, gold: list[str], exact: float, f1: float) -> None:
    assert (squad_exact(prediction, gold), squad_f1(prediction, gold)) == pytest.approx((exact, f1))


def asked(*, answerable: bool, scorer: str = "squad") -> Question:
    references = ("France",) if answerable else ("Unanswerable",)
    return Question("q", "Where is it?", references, answerable=answerable, metadata={"scorer": scorer})


def test_a_refusal_is_the_empty_answer() -> None:
    refusal = "The passage does not say where it is."
    assert squad_metrics(asked(answerable=False), refusal) == {"squad_exact": 1.0, "squad_f1": 1.0}
    assert squad_metrics(asked(answerable=True), refusal) == {"squad_exact": 0.0, "squad_f1": 0.0}
    assert squad_metrics(asked(answerable=False), "Unanswerable") == {"squad_exact": 1.0, "squad_f1": 1.0}
    assert squad_metrics(asked(answerable=False), "France") == {"squad_exact": 0.0, "squad_f1": 0.0}
    assert squad_metrics(asked(answerable=True), "france.") == {"squad_exact": 1.0, "squad_f1": 1.0}


def test_other_data_are_not_scored_so(tmp_path: Path) -> None:
    assert squad_metrics(asked(answerable=True, scorer=""), "France") == {}
