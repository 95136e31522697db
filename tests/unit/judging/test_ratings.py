"""People's numbers from any table: what is found by its name, what must be named, and what is no number."""

import json
from pathlib import Path

import pytest

from ragft.errors import ConfigError, DataError
from ragft.judging.g_eval import Item
from ragft.judging.ratings import Columns, read_table
from ragft.prompts.criterion import load_criterion

ACCURACY = load_criterion("accuracy")
NOBODY = Columns()


def written(folder: Path, content: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_with_usual_names_are_found(tmp_path: Path, separator: str) -> None:
    text = "question,answer,reference,context,document,human_a,human_b\nWhy?,It is so.,So.,A text.,d1,4,yes\n"
    found = read_table(written(tmp_path, text.replace(",", separator)), NOBODY, ACCURACY)
    assert found.annotators == ("human_a", "human_b")
    assert found.people == ((4.0,), (1.0,))
    assert found.items == (Item("Why?", "It is so.", ("So.",), ("A text.",)),)
    assert (found.groups, found.words, found.scores) == (("d1",), (3,), None)


def test_numbers_yes_and_no_and_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "input,a,b\nq1,4,yes\nq2,3.5,No\nq3,,n/a\nq4,1,TRUE\n")
    assert read_table(path, Columns(people="a, b"), ACCURACY).people == ((4.0, 3.5, None, 1.0), (1.0, 0.0, None, 1.0))
    path = written(tmp_path, 'input;a\nq1;"3,5"\nq2;0\n')
    assert read_table(path, Columns(people="a"), ACCURACY).people == ((3.5, 0.0),)


def test_fields_inside_fields_and_lists_of_json(tmp_path: Path) -> None:
    rows = [
        {"source": "S?", "system_output": "T", "references": ["a", "b"], "scores": {"accuracy": 0.5}, "metric": 3},
        {"source": "U?", "system_output": "V", "references": [], "scores": {"accuracy": True}, "metric": None},
    ]
    path = written(tmp_path, json.dumps(rows), "rows.json")
    found = read_table(path, Columns(score="metric"), ACCURACY)
    assert found.annotators == ("scores.accuracy",)
    assert found.people == ((0.5, 1.0),)
    assert found.scores == (3.0, None)
    assert found.items is not None and found.items[0].references == ("a", "b")


def test_the_criterions_own_columns_win_over_general_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "question,answer,rating,accuracy_ann,accuracy_bo\nq,a,1,4,5\n")
    assert read_table(path, NOBODY, ACCURACY).annotators == ("accuracy_ann", "accuracy_bo")
    assert read_table(path, NOBODY, load_criterion("style")).annotators == ("rating",)


def test_one_row_a_person_is_joined(tmp_path: Path) -> None:
    text = "question,answer,human,annotator\nq1,a,4,Ann\nq1,a,5,Bo\nq1,other,2,Bo\nq2,b,1,Ann\n"
    found = read_table(written(tmp_path, text), NOBODY, ACCURACY)
    assert found.annotators == ("Ann", "Bo")
    assert found.people == ((4.0, None, 1.0), (5.0, 2.0, None))
    assert [item.answer for item in found.items or ()] == ["a", "other", "b"]
    again = read_table(written(tmp_path, text + "q1,a,5,Bo\nq2,b,,Ann\n"), NOBODY, ACCURACY)
    assert again.people == found.people
    with pytest.raises(DataError, match="row 5: Bo rated this answer before, with 5 and now 1"):
        read_table(written(tmp_path, text + "q1,a,1,Bo\n"), NOBODY, ACCURACY)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(),
            r"which columns of .*people\.csv hold people's numbers under accuracy\? Name them with -P human_col",
        ),
        (Columns(people="a,c"), r"human_columns names c, which .* does not have: input, a"),
        (Columns(people="a", answer="reply"), r"answer_column is 'reply', which .* does not have; it has input, a"),
    ],
)
def test_a_column_that_is_not_there_is_named(tmp_path: Path, columns: Columns, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_table(written(tmp_path, "input,a\nq,1\n"), columns, ACCURACY)


def test_every_cell_that_is_no_number_is_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "input,human\nq,maybe\nq,inf\nq,3\nq,4 stars\n")
    with pytest.raises(DataError) as caught:
        read_table(path, NOBODY, ACCURACY)
    assert [problem.split(", human: ")[1] for problem in caught.value.problems] == [
        f"{text!r}, expected a number, yes or no" for text in ("maybe", "inf", "4 stars")
    ]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [(b"\xff\xfe\x00", "a.csv", "cannot be read"), (b"", "a.csv", "holds no row"),
     (b"input,human\n", "a.csv", "no row"), (b"[1, 2]", "a.json", "expected an object"),
     (b"{", "a.json", "cannot be read")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, content, name), NOBODY, ACCURACY)


def test_rows_with_more_cells_than_headings_are_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "question,answer,human\nWhy?,Yes, it is,4\nWhy?,It is,4\nWhen?,So, so, so,5\n")
    with pytest.raises(DataError) as caught:
        read_table(path, NOBODY, ACCURACY)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        f"{path}, line 2 has 4 cells, the heading 3",
        f"{path}, line 4 has 5 cells, the heading 3",
    ]
