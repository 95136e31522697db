"""The declared runs: what they spoil, and that docs/outcomes.md shows what is stored."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.declared import OUTPUT, RECIPES, Recipe, as_expected, first_word, shuffled, stored, table
from ragft.types import Question

PAGE = Path(__file__).parents[3] / "docs" / "outcomes.md"
START, END = "<!-- made by benchmarks.declared -->\n\n", "\n\n<!-- end -->"
HARMFUL = Recipe("X: harmful", {}, "reject", "false_answers", 2)


def questions(count: int) -> list[Question]:
    return [Question(f"q{place}", f"Question {place}?", (f"answer {place}, all of it",)) for place in range(count)]


def row(**fields: object) -> dict[str, object]:
    found = {"outcome": "reject", "harmful": ["false_answers"], "worse": [], "superior": []}
    return {**found, **fields}


@pytest.mark.parametrize("count", [2, 3, 200])
def test_no_question_keeps_its_own_answer_and_none_is_lost(count: int) -> None:
    asked = questions(count)
    spoiled = shuffled(asked, seed=3)
    assert [each.text for each in spoiled] == [each.text for each in asked]
    assert {each.references for each in spoiled} == {each.references for each in asked}
    assert all(one.references != other.references for one, other in zip(spoiled, asked, strict=True))
    assert shuffled(asked, seed=3) == spoiled
    # Three questions have two derangements, so other seeds often deal alike.
    assert count < 10 or shuffled(asked, seed=4) != spoiled


def test_answers_are_cut_to_their_first_word() -> None:
    assert {each.references for each in first_word(questions(3), 0)} == {("answer",)}


def test_a_verdict_for_another_reason_is_not_what_was_declared() -> None:
    assert as_expected(HARMFUL, row())
    assert not as_expected(HARMFUL, row(outcome="hold"))
    assert not as_expected(HARMFUL, row(harmful=["forgetting"]))
    assert as_expected(replace(HARMFUL, named=""), row(harmful=["forgetting"]))


def test_recipes_are_told_apart_by_their_letter() -> None:
    assert len({recipe.name[0] for recipe in RECIPES}) == len(RECIPES)


def test_the_page_shows_what_is_stored() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    assert OUTPUT.exists()
    assert shown == "\n".join(table(stored())), "run python -m benchmarks.declared --table"
