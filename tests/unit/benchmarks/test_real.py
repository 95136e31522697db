"""What answers of the real study are made of: the counting, on answers whose count is known."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import real_confirm, real_read
from benchmarks.real import FIGURE, blocks, stored
from benchmarks.real_answers import LOST, Answered, change, counted, lost, read_rows, taught_by
from benchmarks.real_tables import figure
from ragft.types import SCORER, Question

ROOT = Path(__file__).parents[3]
PASSAGES = "[Oxygen] The Normans came from Denmark, Iceland and Norway under their leader Rollo in the tenth century."


def answered(text: str, **fields: Any) -> Answered:  # noqa: ANN401 - fields of any type
    known = {"question": "Who led them?", "references": ("Rollo",), "passages": PASSAGES, "answerable": True}
    return Answered(**{**known, "text": text, "right": False, **fields})


def test_a_quote_is_the_whole_first_line_and_a_long_one_eight_words_anywhere() -> None:
    assert answered("Denmark, Iceland\nand more").quotes
    assert not answered("Denmark and Iceland").quotes
    assert not answered("").quotes
    long = "I think: the Normans came from Denmark, Iceland and Norway, under their leader."
    assert answered(long).quotes_at_length
    assert not answered(long).quotes
    assert not answered("the Normans came from Denmark, Iceland").quotes_at_length
    assert not answered("Rollo", passages="").quotes


def test_a_training_answer_counts_only_where_no_passage_holds_it() -> None:
    taught = taught_by(["The Rhine", "Rollo", "Unanswerable", ""])
    assert answered("the Rhine.").repeats(taught)
    assert not answered("Rollo").repeats(taught)
    assert not answered("Unanswerable").repeats(taught)


def test_a_lost_answer_has_the_first_reason_that_holds() -> None:
    taught = taught_by(["The Rhine"])
    replies = ["Unanswerable", "The leader was\nRollo.", "the Rhine", "Denmark", "a Viking of Paris"]
    assert [answered(reply).lost_to(taught) for reply in replies] == list(LOST)


def test_losses_and_gains_are_of_questions_with_an_answer() -> None:
    base = [answered("Rollo", right=True), answered("?", right=False), answered("", answerable=False, right=True)]
    tuned = [answered("Denmark"), answered("Rollo", right=True), answered("Rollo", answerable=False)]
    found = lost(base, tuned, frozenset())
    assert found == {**dict.fromkeys(LOST, 0), "words of a passage": 1, "gained": 1}
    counts = counted(tuned[:2], frozenset())
    assert (counts["n"], counts["right"], counts["quote"], counts["words"]) == (2, 0.5, 1.0, 1.0)


def test_in_withheld_no_question_can_be_answered_and_to_abstain_is_right() -> None:
    question = Question("q", "Who led them?", ("Rollo", "Duke Rollo"), metadata={SCORER: "squad"})
    row = {"id": "q", "output": "Unanswerable", "context": "Something else."}
    (shown,) = read_rows([row], {"q": question}, "retrieved")
    (held_back,) = read_rows([row], {"q": question}, "withheld")
    assert (shown.answerable, shown.right, shown.references) == (True, False, ("Rollo", "Duke Rollo"))
    assert (held_back.answerable, held_back.right) == (False, True)


def test_the_change_is_of_questions_with_an_answer_and_its_interval_of_clusters() -> None:
    right, wrong, none = answered("Rollo", right=True), answered("Denmark"), answered("", answerable=False)
    found = change([right, wrong, right, wrong, none], [wrong, wrong, wrong, right, none], ["a", "a", "b", "c", "d"])
    assert found is not None
    assert (found["gain"], found["n"], found["groups"]) == (-0.25, 4, 3)
    assert found["low"] is not None
    assert found["high"] is not None
    assert found["low"] < -0.25 < found["high"]
    assert change([none], [none], ["a"]) is None


@pytest.mark.parametrize("name", list(blocks()))
def test_the_pages_show_what_is_stored(name: str) -> None:
    text = (ROOT / ("docs/real.md" if name else "README.md")).read_text(encoding="utf-8")
    start = f"<!-- made by benchmarks.real{': ' if name else ''}{name} -->\n\n"
    shown = text[text.index(start) + len(start) : text.index("\n\n<!-- end -->", text.index(start))]
    assert shown.splitlines() == blocks()[name]


@pytest.mark.parametrize(
    ("made", "table"),
    [
        ("real_read", lambda: real_read.table(real_read.readings())),
        ("real_confirm", lambda: real_confirm.table(json.loads(real_confirm.RESULTS.read_text(encoding="utf-8")))),
    ],
)
def test_the_page_shows_what_was_read_and_what_was_promoted(made: str, table: Callable[[], list[str]]) -> None:
    text = (ROOT / "docs" / "real.md").read_text(encoding="utf-8")
    start = f"<!-- made by benchmarks.{made} -->\n\n"
    shown = text[text.index(start) + len(start) : text.index("\n\n<!-- end -->", text.index(start))]
    assert shown.splitlines() == table()


def test_everything_that_a_side_answered_was_read_once() -> None:
    found = real_read.readings()
    sides = {by for each in found for by in each.by}
    for context in real_read.CONTEXTS:
        asked = Counter((each.question, by) for each in found if each.context == context for by in each.by)
        assert set(asked.values()) == {1}
        assert {Counter(by for _, by in asked)[side] for side in sides} == {293}


def test_the_figure_shows_what_is_stored() -> None:
    assert FIGURE.read_text(encoding="utf-8") == figure(stored("first"), stored("declared"))


def test_the_study_that_was_killed_five_times_lost_nothing() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "torture_smollm2.json").read_text(encoding="utf-8"))
    assert record["study"] == "smollm2"
    assert record["kills"] == 5
    assert "was killed five times with -9" in (ROOT / "docs" / "real.md").read_text(encoding="utf-8")
    assert (record["problems"], record["rows_lost"], record["runs_left_running"]) == ([], 0, 0)
    assert set(record["in_flight_and_written_again"].values()) == {0}
    # What was compared: texts, passages, vectors, answers, and the cells.
    assert record["rows"] > 10_000
