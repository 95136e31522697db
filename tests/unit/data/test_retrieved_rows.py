"""The file of passages that another search found: what is read, and every refusal."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from ragft.data.retrieved_rows import GivenPassages, Ranking, as_row, read_retrieved
from ragft.errors import ConfigError, DataError
from ragft.types import Passage, Question, digest

QUESTIONS = (
    Question("q1", "Which river?", ("Wend",)),
    Question("q2", "Which  colour?", ("Red",)),
    Question("q3", "Twice?", ("Yes",)),
    Question("q4", "Twice?", ("No",)),
)
OURS = Passage("ours", "d9", 3, "Our own text.")


def stored(ids: Collection[str]) -> dict[str, Passage]:
    return {OURS.id: OURS} if OURS.id in ids else {}


def made(text: str, document: str = "") -> Passage:
    return Passage(digest([document, 0, text]), document, 0, text)


def read(folder: Path, *rows: object) -> GivenPassages:
    path = folder / "retrieved.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return read_retrieved(path, QUESTIONS, stored)


def problems_of(folder: Path, *rows: object) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read(folder, *rows)
    assert caught.value.exit_code == 4
    return caught.value.problems


def asked(*passages: object, **fields: object) -> dict[str, Any]:
    return {"id": "q1", "passages": list(passages), **fields}


def test_a_ranking_is_read_in_its_order_by_id_or_by_the_question(tmp_path: Path) -> None:
    given = read(
        tmp_path,
        asked({"text": "One.", "document": "d1", "score": 0.9}, {"id": "ours"}, {"content": "Two.", "score": None}),
        {"question": "Which colour? ", "passages": []},
        {"id": "q3", "question": "Twice?", "passages": [{"id": 7, "text": "Seven."}], "gold": []},
        {"id": "q4", "passages": [{"passage_id": "7"}], "withheld": [{"text": "Else.", "doc_id": "d2"}]},
    )
    assert dict(given.rankings) == {
        "q1": Ranking((made("One.", "d1"), OURS, made("Two."))),
        "q2": Ranking(()),
        "q3": Ranking((made("Seven."),), gold=()),
        "q4": Ranking((made("Seven."),), withheld=(made("Else.", "d2"),)),
    }
    assert {p.text for p in given.passages().values()} == {"One.", "Our own text.", "Two.", "Seven.", "Else."}


def test_the_collection_is_the_content_not_the_layout(tmp_path: Path) -> None:
    first, second = asked({"text": "One."}, {"text": "Two."}), {"id": "q2", "passages": [{"text": "Red."}]}
    known = read(tmp_path, first, second).collection
    assert read(tmp_path, second, json.dumps(first).replace(",", " , "), first).collection == known
    assert read(tmp_path, asked({"text": "Two."}, {"text": "One."}), second).collection != known
    assert read(tmp_path, {**first, "gold": []}, second).collection != known


def test_what_is_written_is_read_as_the_same_ranking(tmp_path: Path) -> None:
    other = made("One.", "d1")
    ranking = Ranking((OURS, other), gold=(other,), withheld=())
    row = as_row(QUESTIONS[0], ranking, {OURS.id: 0.5, other.id: 0.50000012})
    assert [given["score"] for given in row["passages"]] == [0.5, 0.5]
    assert read(tmp_path, row).rankings == {"q1": ranking}
    nothing = Ranking((), gold=(other,), withheld=(), asked_without=True)
    row = as_row(QUESTIONS[0], nothing, {})
    assert read(tmp_path, row).rankings == {"q1": nothing}
    assert read(tmp_path, row).collection != read(tmp_path, {**row, "asked_without": False}).collection


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (17, "is 17, expected a row: an object with id or question, and passages"),
        ({"id": "q1"}, "has no field 'passages'"),
        (asked(text="x") | {"passages": "One."}, "field 'passages' is 'One.', expected a list of objects"),
        ({"passages": []}, "has no field 'question'"),
        ({"id": "q9", "passages": []}, "has the id 'q9', which no question has"),
        ({"question": "Who?", "passages": []}, "has the question 'Who?', which is none of the data"),
        ({"question": "Twice?", "passages": []}, "has the question 'Twice?', which 2 questions have: give the id"),
        (asked(question="Who?"), "has the id 'q1', whose question is 'Which river?', and the question 'Who?'"),
        (asked({"document": "d"}), "passages item 1: has no field 'text'"),
        (asked({"text": " "}), "passages item 1: field 'text' is ' ', expected a text that is not blank"),
        (asked({"id": "p1"}), "has no text, and neither the store nor the file knows the id 'p1'"),
        (asked({"id": "ours", "text": "Edited."}), "the store holds another text or document; leave the id out"),
        (asked({"id": "a", "text": "1"}, {"id": "a", "text": "2"}), "item 2: has the id 'a' of another passage"),
        (asked({"text": "1", "score": "0.9"}), "field 'score' is '0.9', expected a finite number or null"),
        (asked({"text": "1", "score": True}), "field 'score' is true, expected a finite number or null"),
        (asked({"text": "1", "score": 10**400}), "expected a finite number or null"),
        ('{"id": "q1", "passages": [{"text": "1", "score": NaN}]}', "NaN is not JSON"),
        (asked({"text": "1", "score": 1}, {"text": "2"}, {"text": "3", "score": 2.5}), "'score' is 2.5 after 1"),
        (asked({"text": "1"}, gold=[{"id": "p1"}]), "gold item 1: has no text"),
        (asked({"text": "1"}, asked_without=True), "field 'asked_without' is true, expected true beside an empty list"),
        (asked(asked_without="yes"), "field 'asked_without' is 'yes', expected"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: object, said: str) -> None:
    problems = problems_of(tmp_path, row, {"id": "q2", "passages": [{"text": "Red."}]})
    assert len(problems) == 1
    assert said in problems[0]
    assert "record 1" in problems[0]


def test_two_rankings_of_a_question_are_refused_and_the_same_row_twice_is_not(tmp_path: Path) -> None:
    row = asked({"text": "One."})
    assert read(tmp_path, row, row).rankings == {"q1": Ranking((made("One."),))}
    (problem,) = problems_of(tmp_path, row, asked({"text": "Two."}))
    assert "record 2" in problem
    assert "is another ranking for the question 'q1'" in problem


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    bad = [{"id": f"x{n}", "passages": [{"text": "1", "score": "high"}, {"id": f"p{n}"}]} for n in range(30)]
    problems = problems_of(tmp_path, *bad, {"id": "q1"})
    assert len(problems) == 4
    assert [problem.count("likewise 29 more") for problem in problems] == [1, 1, 0, 1]


def test_a_file_without_rows_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no record"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="does not exist"):
        read_retrieved(tmp_path / "none.jsonl", QUESTIONS, stored)
