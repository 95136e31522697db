"""Token F1 and exact match, against the numbers the official Qasper scorer prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.judging.overlap import answer_f1, exact_match, normalised_words

OFFICIAL: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "qasper" / "expected-token-f1.json").read_text(encoding="utf-8")
)


def test_the_official_triples_are_all_there() -> None:
    assert len(OFFICIAL) == 30
    assert sum(triple["answer_f1"] > 0 for triple in OFFICIAL) >= 20


@pytest.mark.parametrize("triple", OFFICIAL, ids=lambda triple: f"{triple['source']}-{triple['question_id'][:8]}")
def test_official_f1_is_reproduced(triple: dict[str, Any]) -> None:
    assert answer_f1(triple["prediction"], triple["golds"]) == pytest.approx(triple["answer_f1"], abs=1e-12)


def test_the_best_reference_counts() -> None:
    assert answer_f1("Europarl corpus", ["MultiUN", "Europarl"]) == pytest.approx(2 / 3)


def test_repeated_words_count_as_often_as_both_have_them() -> None:
    assert answer_f1("red red red", ["red red"]) == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("No", ["no."], 1.0),
        ("the No", ["An no!"], 1.0),
        ("No, never", ["No"], 0.0),
        ("b a c", ["c b"], 0.0),
        ("", ["..."], 0.0),
        ("24 Months", ["24 weeks", "24 months"], 1.0),
    ],
)
def test_exact_match(prediction: str, references: list[str], expected: float) -> None:
    assert exact_match(prediction, references) == expected


def test_no_references_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="no references"):
        answer_f1("anything", [])
    with pytest.raises(ValueError, match="no references"):
        exact_match("anything", [])


def test_a_bare_text_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match="sequence of texts"):
        answer_f1("no", "no")


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_properties(prediction: str, references: list[str]) -> None:
    f1, exact = answer_f1(prediction, references), exact_match(prediction, references)
    assert 0.0 <= f1 <= 1.0
    assert f1 >= exact
    assert answer_f1(references[0], references) == (
        1.0 if normalised_words(references[0]) else answer_f1("", references)
    )
