"""Two files of answers are joined, or it is said what keeps them apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from ragft.data.answer_pairs import AnswerPairs, pair_answers, read_two
from ragft.errors import ConfigError, DataError

Row = dict[str, Any]


def rows(n: int = 20, *, ids: bool = False, **more: object) -> list[Row]:
    made: list[Row] = [
        {"input": f"What is {i}?", "output": f"It is {i}.", "expected_output": str(i), **more} for i in range(n)
    ]
    return [{"id": f"q{i}", **row} for i, row in enumerate(made)] if ids else made


def paired(folder: Path, tuned: list[Row], base: list[Row]) -> AnswerPairs:
    for name, given in (("tuned", tuned), ("base", base)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    return pair_answers(*read_two(folder / "tuned.jsonl", folder / "base.jsonl"))


def problem(folder: Path, tuned: list[Row], base: list[Row]) -> str:
    with pytest.raises(DataError) as caught:
        paired(folder, tuned, base)
    return str(caught.value)


def test_rows_are_joined_by_id_where_every_row_has_one(tmp_path: Path) -> None:
    found = paired(tmp_path, rows(ids=True)[::-1], rows(ids=True))
    assert found.joined_by == "id"
    assert [row.id for row in found.version] == [row.id for row in found.base] == [f"q{i}" for i in range(20)]


def test_rows_are_joined_by_input_where_one_file_has_no_ids(tmp_path: Path) -> None:
    found = paired(tmp_path, [{**row, "input": f" {row['input']}  "} for row in rows()][::-1], rows(ids=True))
    assert found.joined_by == "input"
    assert [row.id for row in found.version] == [f"q{i}" for i in range(20)]
    assert [row.output for row in found.version] == [row.output for row in found.base]


def test_ids_that_only_some_rows_have_never_make_one_question_of_two(tmp_path: Path) -> None:
    some = [{**row, "id": f"q{i}"} if i < 10 else row for i, row in enumerate(rows())]
    otherwise = [{**row, "id": f"q{i}"} for i, row in enumerate(rows()[::-1])]
    for tuned, base in ((otherwise, some), (some, otherwise), (some, some), (some, otherwise[:19])):
        found = paired(tmp_path, tuned, base)
        assert found.joined_by == "input"
        assert len({row.id for row in found.base}) == len(found.base) == 20
        assert [row.id for row in found.version] == [row.id for row in found.base]
        both = zip(found.version, found.base, strict=True)
        assert all(one.output == other.output for one, other in both if one.given and other.given)
    assert {row.input: row.id for row in paired(tmp_path, otherwise, some).base}["What is 0?"] == "q19"


def test_what_was_asked_is_the_same_whatever_was_answered(tmp_path: Path) -> None:
    one = paired(tmp_path, rows(ids=True), rows())
    other = paired(tmp_path, [{**row, "output": "No."} for row in rows()], rows()[::-1])
    assert one.identity == other.identity
    assert paired(tmp_path, rows(19), rows(19)).identity != one.identity


@pytest.mark.parametrize("form", ["Où est le café\u0301\u200b ?", "\ufeffOu\u0300 est\u00a0le cafe\u0301\u0301  ?"])
def test_forms_of_one_text_are_one_question(tmp_path: Path, form: str) -> None:
    asked = {"output": "Là.", "expected_output": "à Liège"}
    usual = [*rows(), {**asked, "input": "Où est le café\u0301 ?"}]
    other = [*rows(), {"input": form, "output": "La\u0300.", "expected_output": "a\u0300  Lie\u0300ge"}]
    found = paired(tmp_path, other, usual)
    assert not any(found.only.values())
    tuned, base = read_two(tmp_path / "tuned.jsonl", tmp_path / "base.jsonl")
    assert tuned.identity == base.identity
    assert found.identity == paired(tmp_path, usual, other).identity
    ids = [[{**row, "id": f"{space}é{i}", "document": f"{space}d"} for i, row in enumerate(file)]
           for space, file in ((" ", other), ("\ufeff", usual))]  # fmt: skip
    found = paired(tmp_path, *ids)
    assert (found.joined_by, found.base[-1].id, found.base[-1].documents) == ("id", "é20", ("d",))
    ids[0][1]["id"] = "e\u03010"
    assert "has the id 'é0' of an earlier row" in problem(tmp_path, *ids)


def test_one_input_may_have_two_ids_and_a_reference_once(tmp_path: Path) -> None:
    twice = [*rows(ids=True), {"id": "a", "input": "A?", "output": "a", "expected_output": None}]
    twice.append({**twice[-1], "id": "b", "expected_output": ""})
    found = paired(tmp_path, twice, twice[::-1])
    assert len(found.base) == 22
    assert found.identity == paired(tmp_path, twice[::-1], twice).identity


def test_a_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    paired(tmp_path, rows(), rows()[::-1])
    tuned, base = read_two(tmp_path / "tuned.jsonl", tmp_path / "base.jsonl")
    assert (tuned.short, base.short) == ("tuned", "base")
    assert tuned.identity == base.identity
    paired(tmp_path, [{**row, "output": "No."} for row in rows()], rows())
    assert read_two(tmp_path / "tuned.jsonl", tmp_path / "base.jsonl")[0].identity != base.identity


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("a/answers.jsonl", "b/answers.jsonl"), ("a/answers.jsonl", "b/answers.jsonl")),
        (("2.jsonl", "1.jsonl"), ("2.jsonl", "1.jsonl")),
        (("x.csv", "x.y.json"), ("x", "x.y")),
    ],
)
def test_names_tell_the_files_apart(tmp_path: Path, paths: tuple[str, str], names: tuple[str, str]) -> None:
    for path in paths:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        csv = path.endswith("csv")
        (tmp_path / path).write_text("input,output\nWhat?,This.\n" if csv else json.dumps(rows(1)), encoding="utf-8")
    one, other = read_two(tmp_path / paths[0], tmp_path / paths[1])
    assert (one.short, other.short) == names


def test_one_file_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(rows(1)[0]), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"answers and against are both .*a\.jsonl.*: name two files"):
        read_two(tmp_path / "a.jsonl", tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match=r"none\.jsonl does not exist"):
        read_two(tmp_path / "a.jsonl", tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"empty\.jsonl"):
        read_two(tmp_path / "a.jsonl", tmp_path / "empty.jsonl")


def test_different_questions_are_counted_and_named(tmp_path: Path) -> None:
    found = paired(tmp_path, [*rows(19), {"input": "New?", "output": "x", "expected_output": "y"}], rows(20))
    assert found.only == {"tuned": ("New?",), "base": ("What is 19?",)}
    said = problem(tmp_path, rows(20)[:17], rows(20))
    assert "share 17 of 20 questions (joined by input); a verdict needs 90% of the larger file" in said
    assert "3 only in base: 'What is 17?', 'What is 18?', 'What is 19?'" in said
    said = problem(tmp_path, [{**row, "id": f"t{i}"} for i, row in enumerate(rows())], rows(ids=True))
    assert "share 0 of 20 questions (joined by id)" in said
    assert "20 only in tuned: 't0', 't1'" in said and said.count("...") == 2


def test_a_question_that_one_file_leaves_out_is_unanswered_there(tmp_path: Path) -> None:
    whole = paired(tmp_path, rows(20), rows(20))
    found = paired(tmp_path, rows(20, context="Read.")[:19], rows(20, context="Seen."))
    assert len(found.base) == len(found.version) == 20
    last, other = found.version[-1], found.base[-1]
    assert (last.given, last.output, last.context) == (False, "", ())
    assert (last.id, last.input, last.expected_output) == (other.id, "What is 19?", ("19",))
    assert (other.given, other.context) == (True, ("Seen.",))
    assert found.identity == whole.identity
    assert paired(tmp_path, rows(20), rows(19)).identity == whole.identity


def test_a_question_twice_is_refused(tmp_path: Path) -> None:
    said = problem(tmp_path, [*rows(), rows()[3]], rows())
    assert "tuned.jsonl asks 1 question more than once" in said
    assert "give both files a column id, or leave the second row out: 'What is 3?'" in said
    assert "has the id 'q3' of an earlier row" in problem(tmp_path, [*rows(ids=True), rows(ids=True)[3]], rows())
    twice = [*rows(ids=True), {**rows(ids=True)[3], "id": "again"}]
    assert len(paired(tmp_path, twice, twice).base) == 21


def test_a_reference_that_differs_is_named_with_both(tmp_path: Path) -> None:
    other = [{**row, "expected_output": "7"} if i in (2, 3) else row for i, row in enumerate(rows())]
    said = problem(tmp_path, other, rows())
    assert "differ in what they say of 2 questions" in said
    assert "'What is 2?': expected_output is '7' in tuned and '2' in base" in said
    said = problem(
        tmp_path, [{**row, "expected_output": ""} if i == 2 else row for i, row in enumerate(rows())], rows()
    )
    assert "answerable is false in tuned and true in base" in said
    said = problem(tmp_path, [{**row, "input": "Else?"} for row in rows(ids=True)], rows(ids=True))
    assert "input is 'Else?' in tuned and 'What is 0?' in base" in said and "and 10 more" in said


UNANSWERED: list[Row] = [
    {"expected_output": ""},
    {"expected_output": []},
    {"expected_output": "Unanswerable"},
    {"expected_output": " unanswerable. "},
    {"answerable": False},
    {"answerable": False, "expected_output": "The documents do not say."},
]


@pytest.mark.parametrize("said", UNANSWERED)
def test_there_is_one_way_to_have_no_answer(tmp_path: Path, said: Row) -> None:
    asked = {"input": "Who?", "output": "Ann."}
    usual = [*rows(), {**asked, "expected_output": "Unanswerable"}]
    found = paired(tmp_path, [*rows(), {**asked, **said}], usual)
    assert [(row.answerable, row.expected_output) for row in (found.version[-1], found.base[-1])] == [(False, ())] * 2
    assert found.unreferenced == {"tuned": 0, "base": 0}
    assert paired(tmp_path, usual, [*rows(), {**asked, **said}]).identity == found.identity


def test_one_file_may_leave_the_references_and_documents_to_the_other(tmp_path: Path) -> None:
    bare = [{"input": row["input"], "output": row["output"]} for row in rows()]
    found = paired(tmp_path, bare, rows(document="d"))
    assert found.unreferenced == {"tuned": 20, "base": 0}
    assert [row.expected_output for row in found.version] == [row.expected_output for row in found.base]
    assert {row.documents for row in found.version} == {("d",)}
    assert all(row.answerable for row in found.version)


def test_an_answer_may_be_missing_but_not_all(tmp_path: Path) -> None:
    some = [{**row, "output": None} if i == 1 else {**row, "output": ""} for i, row in enumerate(rows())]
    found = paired(tmp_path, some, rows())
    assert [row.given for row in found.version[:3]] == [True, False, True]
    last = [{**row, "output": row["output"] if i == 19 else None} for i, row in enumerate(rows())]
    assert "tuned.jsonl has no output for any question that both" in problem(tmp_path, last, rows()[:19])
    without = [{name: value for name, value in row.items() if name != "output"} for row in rows()]
    assert "none of the 20 rows of" in problem(tmp_path, without, rows())
    assert "has an output, expected one of the fields 'output'" in problem(tmp_path, without, rows())
