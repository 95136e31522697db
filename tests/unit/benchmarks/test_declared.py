"""The declared runs: what they spoil, and that docs/outcomes.md shows what is stored."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.declared import (
    OUTPUT,
    RECIPES,
    SEEDS,
    Recipe,
    _spoiled,
    as_expected,
    first_word,
    shuffled,
    stored,
    summary,
    table,
)
from entrypoints.steps.knowledge import lesson
from ragft.params.training import FinetuneParams
from ragft.types import Question

ROOT = Path(__file__).parents[3]
PAGE, README = ROOT / "docs" / "outcomes.md", ROOT / "README.md"
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


def test_the_table_says_what_came_out_of_each_recipe_and_whether_it_was_declared() -> None:
    held = {"base": 0.5, "version": 0.25, "low": -0.5, "high": 0.0, "n": 40}
    made = row(
        recipe=RECIPES[0].name,
        title="Keep v1 for now: v3 is better, but false answers got worse",
        primaries={"right": held},
        guards={"false_answers": held | {"low": 0.1, "high": 0.2}},
        questions=1000,
        groups=276,
    )
    lines = table([made | {"seed": 1, "outcome": "hold"}, made | {"seed": 0}])
    assert lines[0] == f"#### {RECIPES[0].name}"
    assert lines[4] == (
        "| 0 | reject | −0.25 [−0.50, 0.00] | 50 → 25 % [+10, +20] | not measured | not measured | Keep the base for "
        "now: it is better, but false answers got worse |"
    )
    assert lines[5].startswith("| 1 | hold |")
    assert lines[7] == (
        "Declared: reject for false answers in at least 4 of 5. Found: 1 of 2, not decided yet. 1,000 questions in 276 "
        "groups each."
    )
    five = table([made | {"seed": seed, "outcome": "hold" if seed else "reject"} for seed in SEEDS])
    assert "Found: 1 of 5, refuted." in five[-1]
    assert "Found: 4 of 4, as declared." in table([made | {"seed": seed} for seed in SEEDS[:4]])[-1]


def test_the_summary_gives_the_range_over_the_seeds() -> None:
    shares = ({"base": 0.6, "version": 0.5}, {"base": 0.6, "version": 0.58})
    rows = [
        row(
            recipe=RECIPES[0].name,
            outcome=outcome,
            primaries={"right": each},
            guards={"false_answers": each},
        )
        for each, outcome in zip(shares, ("reject", "hold"), strict=True)
    ]
    assert summary(rows)[2:] == [
        "| the base | 60 % | 60 % | |",
        "| closed-book, ten passes | 50 to 58 % | 50 to 58 % | reject 1 of 2, hold 1 of 2 |",
    ]
    assert len(summary([*rows, *(each | {"recipe": RECIPES[-1].name} for each in rows)])) == 4


def test_the_readme_shows_the_summary_of_what_is_stored() -> None:
    assert "\n".join(summary(stored())) in README.read_text(encoding="utf-8")


def test_what_is_spoiled_reaches_the_training_and_nothing_else() -> None:
    params = FinetuneParams(samples=5)
    plain = lesson.chosen_of(questions(20), params)
    with _spoiled(lesson, first_word, 0):
        spoiled = lesson.chosen_of(questions(20), params)
    assert [each.id for each in spoiled] == [each.id for each in plain]
    assert {each.references for each in spoiled} == {("answer",)}
    assert lesson.chosen_of(questions(20), params) == plain


def test_the_page_shows_what_is_stored() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert START in page
    assert END in page
    shown = page.partition(START)[2].partition(END)[0]
    assert OUTPUT.exists()
    assert shown == "\n".join(table(stored())), "run python -m benchmarks.declared --table"
