import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data import entity_questions
from ragft.data.splits import assign_splits
from ragft.errors import DataError
from tests.unit.data.layouts import DATA

REAL = DATA / "entity_questions" / "P17.dev.json"


def test_a_thousand_real_rows() -> None:
    loaded = entity_questions.read(REAL).loaded()
    questions = loaded.dataset.questions
    assert (len(questions), len(loaded.dataset.documents), loaded.skipped) == (1000, 0, {})
    assert {question.kind for question in questions} == {"P17"}
    assert sum(len(question.references) for question in questions) == 1007
    assert questions[0].metadata == {"short_answers": ["India"]}
    assert {split: len(part) for split, part in assign_splits(loaded.dataset, seed=0).items()}["train"] == 500


def test_the_folders_as_they_are_published(tmp_path: Path) -> None:
    for split, relation in (("train", "P17"), ("dev", "P19"), ("test", "P17")):
        (tmp_path / split).mkdir()
        rows = [{"question": f"{relation} {split}?", "answers": ["a"]}]
        (tmp_path / split / f"{relation}.{split}.json").write_text(json.dumps(rows), encoding="utf-8")
    found = entity_questions.read(tmp_path).loaded().dataset.questions
    assert {(q.text, q.kind, q.split) for q in found} == {
        ("P17 train?", "P17", "train"),
        ("P19 dev?", "P19", "dev"),
        ("P17 test?", "P17", "test"),
    }


def test_every_bad_row_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(
        json.dumps([{"question": "A?", "answers": ["a"]}, {"question": "", "answers": [1]}, {"question": "B?"}, 3]),
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        entity_questions.read(path)
    assert [problem.removeprefix(f"{path}, record ") for problem in caught.value.problems] == [
        "2 (line 1): field 'question' is '', expected a text that is not blank",
        "2 (line 1): field 'answers' is a list of 1, expected a text or a list of texts (item 1 is 1)",
        "3 (line 1): has no field 'answers', expected at least one answer that is not blank; found 'question'",
        "4 (line 1): is 3, expected an object with question and answers",
    ]


TEXTS = st.text(min_size=1).filter(str.strip)


@given(
    rows=st.lists(
        st.fixed_dictionaries({"question": TEXTS, "answers": st.lists(TEXTS, min_size=1, max_size=3)}),
        min_size=1,
        max_size=4,
        unique_by=lambda row: str(row["question"]).strip(),
    )
)
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "P17.dev.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    found = entity_questions.read(path).loaded().dataset.questions
    assert [(q.text, q.references, q.kind) for q in found] == [
        (row["question"].strip(), tuple(dict.fromkeys(text.strip() for text in row["answers"])), "P17") for row in rows
    ]
