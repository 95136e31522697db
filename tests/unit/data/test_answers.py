import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data.answers import CONTEXT_NAMES, EXPECTED_NAMES, AnswerRow, read_answers
from ragft.data.rows import DOCUMENT_NAMES
from ragft.errors import ConfigError, DataError

ROW = {"input": "A?", "output": "a", "expected_output": "b", "context": ["One.", "Two."]}


def write(path: Path, values: list[Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read_answers(path)
    return caught.value.problems


def test_rows_as_they_are_published(tmp_path: Path) -> None:
    (row,) = read_answers(write(tmp_path / "answers.jsonl", [ROW]))
    assert row == AnswerRow(row.id, "A?", "a", ("b",), ("One.", "Two."))
    assert row.id.startswith("a-")


def test_other_names_and_optional_fields(tmp_path: Path) -> None:
    value = {
        "id": 3,
        "question": "A?",
        "prediction": "",
        "references": ["b", "c"],
        "retrieval_context": "One.",
        "documents": ["d1", 2],
    }
    (row,) = read_answers(write(tmp_path / "answers.jsonl", [value]))
    assert row == AnswerRow("3", "A?", "", ("b", "c"), ("One.",), ("d1", "2"), named=True)
    (bare,) = read_answers(write(tmp_path / "bare.jsonl", [{"input": "A?", "output": "a"}]))
    assert (bare.expected_output, bare.context) == ((), ())


@pytest.mark.parametrize(
    ("names", "field"),
    [(EXPECTED_NAMES, "expected_output"), (CONTEXT_NAMES, "context"), (DOCUMENT_NAMES, "documents")],
)
def test_a_cell_with_a_list_is_read_under_every_name_that_may_hold_one(
    tmp_path: Path, names: Sequence[str], field: str
) -> None:
    for name in names:
        path = tmp_path / f"{name}.csv"
        path.write_text(f'input,output,{name}\nA?,a,"[""x"", ""y""]"\nB?,b,[see page 3]\n', encoding="utf-8")
        assert [getattr(row, field) for row in read_answers(path)] == [("x", "y"), ("[see page 3]",)], name


def test_an_empty_cell_is_an_empty_reference_under_every_name(tmp_path: Path) -> None:
    for name in EXPECTED_NAMES:
        path = tmp_path / f"{name}.csv"
        path.write_text(f"input,output,{name}\nA?,a,\n", encoding="utf-8")
        assert [row.answerable for row in read_answers(path)] == [False], name


def test_csv_and_parquet(tmp_path: Path) -> None:
    csv_file = tmp_path / "answers.csv"
    csv_file.write_text(
        'input,output,expected_output,contexts\nA?,a,b,"[""One."", ""Two.""]"\nB?,,b,\n', encoding="utf-8"
    )
    first, second = read_answers(csv_file)
    assert (first.output, first.context) == ("a", ("One.", "Two."))
    assert (second.output, second.context) == ("", ())
    parquet = tmp_path / "answers.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW]), parquet)
    assert read_answers(parquet) == read_answers(write(tmp_path / "answers.jsonl", [ROW]))


def test_the_same_row_twice_is_two_answers(tmp_path: Path) -> None:
    rows = read_answers(write(tmp_path / "answers.jsonl", [ROW, ROW, {**ROW, "output": "c"}]))
    assert len({row.id for row in rows}) == 3


def test_every_bad_row_is_named_at_once(tmp_path: Path) -> None:
    values = [
        {**ROW, "id": "x"},
        {**ROW, "id": "x"},
        {"input": "A?", "expected_output": "b"},
        {"input": " ", "output": "a"},
        {"input": "A?", "output": None},
        {"input": "A?", "output": 3, "context": [None]},
        "text",
    ]
    path = write(tmp_path / "answers.jsonl", values)
    expected = [
        "2 (line 2): has the id 'x' of an earlier row",
        "3 (line 3): has no field 'output' (or 'actual_output', 'prediction', 'response'), expected a text, empty when "
        "nothing was answered; found 'input', 'expected_output'",
        "4 (line 4): field 'input' is ' ', expected a text that is not blank",
        "5 (line 5): field 'output' is null, expected a text, empty when nothing was answered",
        "6 (line 6): field 'output' is 3, expected a text, empty when nothing was answered",
        "6 (line 6): field 'context' is a list of 1, expected a text or a list of texts (item 1 is null)",
        "7 (line 7): is 'text', expected a row: an object with input, output and expected_output",
    ]
    assert problems_of(path) == tuple(f"{path}, record {line}" for line in expected)


def test_an_output_that_is_called_answer_is_missed_first(tmp_path: Path) -> None:
    rows = [{"input": f"{name}?", "answer": "a", "expected_output": "b"} for name in "AB"]
    (first, second) = problems_of(write(tmp_path / "answers.jsonl", rows))
    assert "1): has no field 'output': what the system answered is called so; 'answer' is a reference" in first
    assert second.endswith("so rename it to output") and "mean the same" not in first + second


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_answers(tmp_path / "answers.jsonl")


TEXTS = st.text(min_size=1).filter(str.strip)
ROWS = st.fixed_dictionaries(
    {"input": TEXTS, "output": st.text(), "expected_output": TEXTS, "context": st.lists(TEXTS, max_size=2)}
)


@given(values=st.lists(ROWS, min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path: Path, values: list[dict[str, Any]]) -> None:
    rows = read_answers(write(tmp_path / "answers.jsonl", values))
    assert [(row.input, row.output, row.expected_output, row.context) for row in rows] == [
        (value["input"].strip(), value["output"], (value["expected_output"].strip(),), tuple(value["context"]))
        for value in values
    ]


@pytest.mark.parametrize(
    ("more", "answerable"),
    [
        ({}, True),
        ({"expected_output": ""}, False),
        ({"expected_output": []}, False),
        ({"expected_output": "unanswerable."}, False),
        ({"expected_output": None}, None),
        ({"answerable": False}, False),
        ({"answerable": True, "expected_output": "Unanswerable"}, True),
        ({"Answerable ": False, "expected_output": None}, False),
    ],
)
def test_a_row_says_whether_there_is_an_answer(tmp_path: Path, more: dict[str, Any], answerable: bool | None) -> None:
    (row,) = read_answers(write(tmp_path / "answers.jsonl", [{**ROW, **more}]))
    assert row.answerable is answerable


def test_an_answer_that_is_said_to_be_there_must_be(tmp_path: Path) -> None:
    path = write(tmp_path / "answers.jsonl", [{**ROW, "expected_output": "", "answerable": True}])
    assert "is answerable and has no answer" in problems_of(path)[0]
    path.with_suffix(".csv").write_text(
        "input,output,expected_output,answerable\nA?,a,,no\nB?,b,b,\n", encoding="utf-8"
    )
    assert [row.answerable for row in read_answers(path.with_suffix(".csv"))] == [False, True]
