import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data import rows
from ragft.data.collector import Loaded
from ragft.errors import ConfigError, DataError
from ragft.types import Document, Question
from tests.unit.data.layouts import DATA

NQ = DATA / "natural_questions"
ROUTER = {"question": "Which light blinks?", "answer": "The red one.", "document": "router"}
DOCUMENTS = [
    {"id": "router", "title": "Router", "text": "The red light blinks.\n\nRestart it."},
    {"id": 7, "text": "Seven."},
]


def write_lines(path: Path, values: list[Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def write_csv(path: Path, values: list[dict[str, Any]]) -> Path:
    """Lists as JSON, null as an empty cell: what a user can write in a cell."""
    names = list(dict.fromkeys(name for value in values for name in value))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(names)
        for value in values:
            cells = [value.get(name) for name in names]
            writer.writerow([json.dumps(cell) if isinstance(cell, list | bool) else cell for cell in cells])
    return path


def write_parquet(path: Path, values: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(values), path)
    return path


WRITERS = {"rows.jsonl": write_lines, "rows.csv": write_csv, "rows.tsv": write_csv, "rows.parquet": write_parquet}


def load(path: Path, documents: Path | None = None) -> Loaded:
    return rows.read(path, documents).loaded()


def only_question(row: dict[str, Any], folder: Path) -> Question:
    (question,) = load(write_lines(folder / "rows.jsonl", [row])).dataset.questions
    return question


def problems_of(path: Path, documents: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        rows.read(path, documents)
    return caught.value.problems


def test_a_hundred_real_rows() -> None:
    dataset = load(NQ / "NQ-open.efficientqa.dev.1.1.sample.jsonl").dataset
    assert len(dataset.questions) == 100
    assert dataset.questions[2].text == "where does the movie the sound of music take place"
    assert dataset.questions[2].references == ("Salzburg, Austria", "Austria")
    assert len({question.id for question in dataset.questions}) == 100


def test_a_hundred_real_rows_without_answers() -> None:
    path = NQ / "NQ-open.efficientqa.dev.1.1.no-annotations.sample.jsonl"
    problems = problems_of(path)
    named = ", ".join(f"record {rank} (line {rank})" for rank in range(2, 11))
    assert problems == (
        f"{path}, record 1 (line 1): has no reference answer, expected one of the fields 'references', 'reference', "
        "'answers', 'answer', 'expected_output', empty where the documents hold no answer; found 'question'; likewise "
        f"99 more: {named}, ...",
    )


@pytest.mark.parametrize("name", WRITERS)
def test_every_field_in_every_layout(name: str, tmp_path: Path) -> None:
    row = {
        "id": "q1",
        "question": "Which?",
        "references": ["this", "that"],
        "documents": ["router", "7"],
        "evidence": ["The red light blinks."],
        "kind": "short",
        "answerable": False,
        "split": "validation",
    }
    path = WRITERS[name](tmp_path / name, [row])
    documents = write_lines(tmp_path / "other.jsonl", DOCUMENTS)
    dataset = load(path, documents).dataset
    assert dataset.questions == (
        Question("q1", "Which?", ("this", "that"), ("router", "7"), ("The red light blinks.",), "short", False, "dev"),
    )
    assert dataset.documents == (
        Document("router", "Router", ("The red light blinks.", "Restart it.")),
        Document("7", "", ("Seven.",)),
    )


@pytest.mark.parametrize("question", rows.QUESTION_NAMES)
@pytest.mark.parametrize("reference", rows.REFERENCE_NAMES)
def test_the_names_that_columns_may_have(question: str, reference: str, tmp_path: Path) -> None:
    found = only_question({question: "Which?", reference: "this"}, tmp_path)
    assert (found.text, found.references) == ("Which?", ("this",))


def test_a_row_without_an_id_gets_one_from_its_content(tmp_path: Path) -> None:
    first, second = {"question": "A?", "answer": "a"}, {"question": "B?", "answer": "b"}
    one = load(write_lines(tmp_path / "one.jsonl", [first, second])).dataset
    other = load(write_lines(tmp_path / "two.jsonl", [second, first])).dataset
    assert one.sha256 == other.sha256
    assert len({question.id for question in one.questions}) == 2


def test_ids_may_be_whole_numbers_of_any_size(tmp_path: Path) -> None:
    assert only_question({"id": -(2**63) - 1, "question": "A?", "answer": "a"}, tmp_path).id == "-9223372036854775809"


def test_the_same_row_again_is_left_out_and_counted(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [ROUTER, ROUTER])
    loaded = load(path)
    assert len(loaded.dataset.questions) == 1
    assert loaded.skipped == {str(path): {"the same question again": 1}}


def test_contexts_become_documents_when_none_are_given(tmp_path: Path) -> None:
    values = [
        {"input": "A?", "expected_output": "a", "context": "One.\n\nTwo."},
        {"input": "B?", "expected_output": "b", "context": ["One.\n\nTwo.", "Three.", " "]},
    ]
    dataset = load(write_lines(tmp_path / "rows.jsonl", values)).dataset
    assert [document.paragraphs for document in dataset.documents] == [("One.", "Two."), ("Three.",)]
    assert dataset.questions[0].documents == dataset.questions[1].documents[:1]
    assert len(dataset.questions[1].documents) == 2
    given = load(tmp_path / "rows.jsonl", write_lines(tmp_path / "docs.jsonl", DOCUMENTS)).dataset
    assert [question.documents for question in given.questions] == [(), ()]


def test_a_folder_with_its_documents_and_splits(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [ROUTER])
    write_csv(tmp_path / "test.csv", [{"question": "Seven?", "answer": "7", "document": "7"}])
    write_lines(tmp_path / "documents.jsonl", DOCUMENTS)
    dataset = load(tmp_path).dataset
    assert {question.text: question.split for question in dataset.questions} == {
        "Which light blinks?": "train",
        "Seven?": "test",
    }
    assert len(dataset.documents) == 2
    (tmp_path / "documents").mkdir()
    with pytest.raises(ConfigError, match=r"holds documents and documents\.jsonl"):
        rows.read(tmp_path)


def test_a_folder_of_text_files_beside_the_questions(tmp_path: Path) -> None:
    manual = tmp_path / "documents" / "manual"
    manual.mkdir(parents=True)
    (manual / "router.md").write_text("Intro\n# The router #\n\nIt blinks.\n", encoding="utf-8")
    (tmp_path / "documents" / "note.txt").write_text("# not a heading\r\n\r\nText.", encoding="utf-8")
    (tmp_path / "documents" / ".hidden.md").write_text("hidden", encoding="utf-8")
    write_lines(tmp_path / "rows.jsonl", [{**ROUTER, "document": "manual/router.md"}])
    assert load(tmp_path).dataset.documents == (
        Document("manual/router.md", "The router", ("Intro\n# The router #", "It blinks.")),
        Document("note.txt", "note", ("# not a heading", "Text.")),
    )


def test_a_readme_beside_rows_of_documents_is_none(tmp_path: Path) -> None:
    write_lines(tmp_path / "passages.jsonl", DOCUMENTS)
    (tmp_path / "README.md").write_text("How it was made.", encoding="utf-8")
    questions = write_lines(tmp_path.parent / f"{tmp_path.name}.jsonl", [ROUTER])
    assert len(load(questions, tmp_path).dataset.documents) == 2


def test_every_bad_row_is_named_at_once(tmp_path: Path) -> None:
    values = [
        ROUTER,
        {"question": "", "answer": "a"},
        {"answer": "a", "question": None},
        {"question": "A?"},
        {"question": "A?", "answer": 42},
        {"question": "A?", "answer": ["a", " "]},
        {"question": "A?", "answer": "a", "references": ["b"]},
        {"question": "A?", "answer": "a", "split": "training set"},
        {"question": "A?", "answer": "a", "documents": ["router", 1.5]},
        {"question": "A?", "answer": "a", "document": "ruter"},
        {"question": "A?", "answer": "a", "id": True},
        ["A?", "a"],
    ]
    path = write_lines(tmp_path / "rows.jsonl", values)
    problems = problems_of(path, write_lines(tmp_path / "docs.jsonl", DOCUMENTS))
    expected = [
        "2 (line 2): field 'question' is '', expected a text that is not blank",
        "3 (line 3): field 'question' is null, expected a text",
        "4 (line 4): has no reference answer, expected one of the fields 'references', 'reference', 'answers', "
        "'answer', 'expected_output', empty where the documents hold no answer; found 'question'",
        "5 (line 5): field 'answer' is 42, expected a text or a list of texts",
        "6 (line 6): field 'answer' is a list of 2, expected answers that are not blank",
        "7 (line 7): has the fields 'references' and 'answer', which mean the same; keep one",
        "8 (line 8): field 'split' is 'training set', expected one of train, dev, test, confirm, test_seen",
        "9 (line 9): field 'documents' is a list of 2, expected an id or a list of ids: texts that are not blank or "
        "whole numbers (item 2 is 1.5)",
        "10 (line 10): names the document 'ruter', which is not among the 2 given; 'router' is",
        "11 (line 11): field 'id' is true, expected an id: a text that is not blank or a whole number",
        "12 (line 12): is a list of 2, expected a row: an object with question and answer",
    ]
    assert problems == tuple(f"{path}, record {line}" for line in expected)


def test_bad_documents_are_named_at_once(tmp_path: Path) -> None:
    values = [
        *DOCUMENTS,
        {"id": "router", "text": "Another."},
        {"text": "No id."},
        {"id": "x", "text": " \n "},
        {"id": "y"},
        {"id": 0.5, "text": "Half."},
        {"id": "z", "text": "Z.", "title": ["Z"]},
        "text",
    ]
    path = write_lines(tmp_path / "docs.jsonl", values)
    problems = problems_of(write_lines(tmp_path / "rows.jsonl", [ROUTER]), path)
    expected = [
        "3 (line 3): is another document with the id 'router'",
        "4 (line 4): has no field 'id' (or 'document_id', 'doc_id', '_id', 'pmid', 'wikipedia_id'), expected an id: "
        "a text that is not blank or a whole number; found 'text'",
        "5 (line 5): field 'text' is ' \\n ', expected a text that is not blank",
        "6 (line 6): has no field 'text' (or 'paragraphs', 'contents', 'content', 'body', 'passage', 'abstract', "
        "'abstractText'), expected a text that is not blank; found 'id'",
        "7 (line 7): field 'id' is 0.5, expected an id: a text that is not blank or a whole number",
        "8 (line 8): field 'title' is a list of 1, expected a text",
        "9 (line 9): is 'text', expected a document: an object with id and text",
    ]
    assert problems == tuple(f"{path}, record {line}" for line in expected)


def test_bad_text_files_are_named_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "blank.md").write_text(" \n\n", encoding="utf-8")
    (folder / "latin.txt").write_bytes(b"th\xe9")
    problems = problems_of(write_lines(tmp_path / "rows.jsonl", [ROUTER]), folder)
    assert [problem.removeprefix(f"{folder}/") for problem in problems] == [
        "blank.md: is blank, expected text; remove it or fill it in",
        "latin.txt: is not UTF-8 (byte 0xe9); save it as UTF-8",
    ]


def test_bad_csv_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('question,answer\n"A\nB?",a\nC?\nD?,d,more\nE?,e\n', encoding="utf-8")
    assert problems_of(path) == (
        f"{path}, record 2 (line 4): has 1 cells, expected 2 as in the first line",
        f"{path}, record 3 (line 5): has 3 cells, expected 2 as in the first line",
    )
    for text, message in (
        ("", "has no column names"),
        ("question,question\n", "has the column 'question' twice"),
        ("question;answer\nA?;a\n", "separated by semicolons"),
        ("question,answer\n", "holds no record"),
        ('question,answer\n"A?,a\n', "is not CSV"),
    ):
        path.write_text(text, encoding="utf-8")
        assert message in problems_of(path)[0]
    for content, message in (
        (b"question,answer\nA?,th\xe9\n", 'is not UTF-8 (byte 0xe9); save it as "CSV UTF-8 (comma delimited)"'),
        ("question,answer\nA?,a\n".encode("utf-16"), "is UTF-16, as a spreadsheet program saves"),
        (b"PK\x03\x04\x14\x00", "is a workbook of a spreadsheet program: save it as"),
    ):
        path.write_bytes(content)
        assert message in problems_of(path)[0]
    path.rename(workbook := tmp_path / "rows.xlsx")
    with pytest.raises(DataError, match=r"rows\.xlsx is a workbook of a spreadsheet program: save it as"):
        load(workbook)


def test_several_documents_in_a_cell_are_a_list(tmp_path: Path) -> None:
    documents = write_lines(tmp_path / "documents.jsonl", [{"id": "a", "text": "A."}, {"id": "b", "text": "B."}])
    row = {"question": "A?", "answer": "a", "documents": "a; b"}
    path = write_csv(tmp_path / "rows.csv", [row])
    (problem,) = problems_of(path, documents)
    assert problem.endswith('if these are several, write them as a JSON list: ["one.md", "two.md"]')
    write_csv(path, [{**row, "documents": '["a", "b"]'}])
    assert load(path, documents).dataset.questions[0].documents == ("a", "b")


@pytest.mark.parametrize("name", rows.DOCUMENT_NAMES)
def test_a_list_of_documents_is_read_under_each_of_their_names(tmp_path: Path, name: str) -> None:
    path = write_csv(tmp_path / "rows.csv", [{"question": "A?", "answer": "a", name: ["x", "y"]}])
    assert load(path).dataset.questions[0].documents == ("x", "y")


@pytest.mark.parametrize("name", rows.REFERENCE_NAMES)
def test_a_list_of_answers_is_read_under_each_of_their_names(tmp_path: Path, name: str) -> None:
    path = write_csv(tmp_path / "rows.tsv", [{"question": "A?", name: ["x", "y"], "context": ["One.", "Two."]}])
    (question,) = load(path).dataset.questions
    assert (question.references, len(question.documents)) == (("x", "y"), 2)
    write_csv(path, [{"question": "A?", name: "[see page 3]"}])
    assert load(path).dataset.questions[0].references == ("[see page 3]",)


def test_csv_keeps_what_only_looks_like_a_list(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", [{"question": "[A]?", "references": "[1] and [2", "evidence": "[3]"}])
    (question,) = load(path).dataset.questions
    assert (question.text, question.references, question.evidence) == ("[A]?", ("[1] and [2",), ("[3]",))


def test_csv_cells_may_be_long_and_the_limit_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    documents = write_csv(tmp_path / "docs.csv", [{"id": "router", "text": "word " * 50_000}])
    dataset = load(write_lines(tmp_path / "rows.jsonl", [ROUTER]), documents).dataset
    assert len(dataset.documents[0].text) == 250_000
    assert csv.field_size_limit() == before


def test_questions_without_an_answer_as_a_user_writes_them(tmp_path: Path) -> None:
    values: list[dict[str, Any]] = [
        {"question": "A?", "answer": "a"},
        {"question": "B?", "answer": ""},
        {"question": "C?", "answerable": False},
        {"question": "D?", "answerable": False, "answer": ""},
        {"question": "E?", "references": []},
        {"question": "F?", "answerable": False, "answer": "Not documented.", "kind": "trap"},
    ]
    loaded = load(write_lines(tmp_path / "rows.jsonl", values))
    without = {q.text: (q.references, q.kind) for q in loaded.dataset.questions if not q.answerable}
    bare = (("Unanswerable",), "unanswerable")
    assert without == {"B?": bare, "C?": bare, "D?": bare, "E?": bare, "F?": (("Not documented.",), "trap")}
    assert [note.split(" have ")[0] for note in loaded.notes] == ["5 of 6 questions"]
    assert all(not question.metadata for question in loaded.dataset.questions if not question.answerable)


def test_the_rows_that_the_documentation_shows(tmp_path: Path) -> None:
    text = (DATA.parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    path = tmp_path / "rows.jsonl"
    path.write_text(text.partition("```json\n")[2].partition("```")[0], encoding="utf-8")
    assert [question.answerable for question in load(path).dataset.questions] == [True, False, False]


def test_an_empty_cell_of_csv_is_an_empty_answer(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("question,answer,answerable\nA?,a,\nB?,,\nC?,,FALSE\nD?,d,no\nE?,e,TRUE\n", encoding="utf-8")
    questions = load(path).dataset.questions
    assert {q.text: q.answerable for q in questions} == {"A?": True, "B?": False, "C?": False, "D?": False, "E?": True}


def test_missing_answers_that_nobody_meant(tmp_path: Path) -> None:
    asked = [{"question": f"{letter}?", "answer": ""} for letter in "AB"]
    assert problems_of(write_lines(tmp_path / "none.jsonl", asked)) == (
        "rows: none of the 2 questions has an answer, and nothing can be learned or scored from these alone",
    )
    values = [ROUTER, {"question": "A?", "answer": None}, {"question": "B?", "answer": "", "answerable": True}]
    first, second = problems_of(write_lines(tmp_path / "rows.jsonl", values))
    assert "record 2 (line 2): has no reference answer" in first
    assert "record 3 (line 3): is answerable and has no answer" in second


def test_an_id_that_comes_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    """Ids of documents in the column for those of questions: 56 of them over 196 rows."""
    values = [{"id": f"d{n % 56}", "question": f"What is {n}?", "answer": f"{n}"} for n in range(196)]
    (problem,) = problems_of(write_lines(tmp_path / "rows.jsonl", values))
    assert "record 57 (line 57): has the id 'd0' of another question (record 1 (line 1)); give every row" in problem
    assert "; likewise 139 more: record 58 (line 58), " in problem


def test_files_of_a_folder_may_each_count_from_one(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [{"id": 1, "question": "A?", "answer": "a"}])
    write_lines(tmp_path / "test.jsonl", [{"id": 1, "question": "B?", "answer": "b"}])
    assert len({question.id for question in load(tmp_path).dataset.questions}) == 2


def test_rows_that_differ_in_their_evidence_alone_have_an_id_each(tmp_path: Path) -> None:
    values = [{"question": "A?", "answer": "a", "evidence": text} for text in ("One.", "Two.")]
    assert len({q.id for q in load(write_lines(tmp_path / "rows.jsonl", values)).dataset.questions}) == 2


def test_a_row_that_was_left_out_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [ROUTER, {"question": "A?", "answer": "a"}, ROUTER])
    assert load(path).lines() == [f"left out of {path}: 1, the same question again: record 3 (line 3)"]


def test_columns_as_a_spreadsheet_has_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(" Question ,ANSWER,Documents,Notes,,\nA?,a,7,mine,,\n,,,,,\n,,\n", encoding="utf-8")
    documents = tmp_path / "docs.csv"
    documents.write_text("ID,Title ,Text\n7,Seven,It is seven.\n,,\n", encoding="utf-8")
    dataset = load(path, documents).dataset
    assert [(q.text, q.references, q.documents) for q in dataset.questions] == [("A?", ("a",), ("7",))]
    assert dataset.documents == (Document("7", "Seven", ("It is seven.",)),)


def test_empty_rows_of_a_spreadsheet_that_pandas_wrote(tmp_path: Path) -> None:
    rows_of_it: list[dict[str, Any]] = [
        {"question": "A?", "answer": "a", "n": 1.0},
        {"question": None, "answer": " ", "n": float("nan")},
    ]
    path = write_parquet(tmp_path / "rows.parquet", rows_of_it)
    assert len(load(path).dataset.questions) == 1


def test_a_cell_under_no_column_and_a_column_twice(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("question,answer,\nA?,a,lost\n", encoding="utf-8")
    assert problems_of(path) == (f"{path}, record 1 (line 2): has 'lost' in a column without a name",)
    path.write_text("question,Question,answer\nA?,B?,a\nA?,,a\n", encoding="utf-8")
    assert problems_of(path) == (
        f"{path}, record 1 (line 2): has the field 'question' twice, once as 'Question'; keep one",
    )


def test_missing_columns_say_which_were_found_once_for_all_rows(tmp_path: Path) -> None:
    values = [{"Frage": f"{n}?", "Antwort": f"{n}", "Nr": n} for n in range(1000)]
    path = write_csv(tmp_path / "rows.csv", values)
    named = ", ".join(f"record {rank} (line {rank + 1})" for rank in range(2, 11))
    assert problems_of(path) == (
        f"{path}, record 1 (line 2): has no field 'question' (or 'input', 'query'), expected a text; found 'Frage', "
        f"'Antwort', 'Nr'; likewise 999 more: {named}, ...",
        f"{path}, record 1 (line 2): has no reference answer, expected one of the fields 'references', 'reference', "
        "'answers', 'answer', 'expected_output', empty where the documents hold no answer; found 'Frage', 'Antwort', "
        f"'Nr'; likewise 999 more: {named}, ...",
    )


def test_blank_files_of_a_folder_are_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for rank in range(30):
        (folder / f"{rank:02}.md").write_text("\n", encoding="utf-8")
    (problem,) = problems_of(write_lines(tmp_path / "rows.jsonl", [ROUTER]), folder)
    assert problem.startswith(f"{folder}/00.md: is blank, expected text; remove it or fill it in; likewise 29 more: ")


MEASURE = """
import resource, sys
from ragft.data import documents_on_disk
from ragft.data.load import load
documents_on_disk.MEMORY_CHARS = 2_000_000
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dataset = load("rows", sys.argv[1], sys.argv[2])
count = sum(document.text.endswith("word ") for document in dataset.documents)
print(count, dataset.questions[0].documents[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_file_of_documents_stays_on_disk(tmp_path: Path) -> None:
    text = "word " * 1200
    documents = tmp_path / "documents.jsonl"
    with documents.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": n, "text": f"{n} {text}"}) + "\n" for n in range(10_000))
    assert documents.stat().st_size > 60_000_000
    questions = write_lines(tmp_path / "rows.jsonl", [{**ROUTER, "document": 9_999}])
    command = [sys.executable, "-c", MEASURE, str(questions), str(documents)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, named, grown_kib = done.stdout.split()
    assert (count, named) == ("10000", "9999")
    assert int(grown_kib) < 20_000


def test_files_that_are_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    for data in (b"", b"PAR1 and no more", b"nonsense" * 100):
        path.write_bytes(data)
        (problem,) = problems_of(path)
        assert problem.startswith(f"{path}, after record 0: is not Parquet")
    good = write_parquet(tmp_path / "good.parquet", [{"question": "A?", "answer": "a"}]).read_bytes()
    path.write_bytes(good[:4] + b"\xff" * 40 + good[44:])
    assert problems_of(path)
    pyarrow.parquet.write_table(pyarrow.table({"question": pyarrow.array([], pyarrow.string())}), path)
    assert "holds no record" in problems_of(path)[0]


def test_parquet_ids_of_pandas_that_lost_digits_are_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", [{"id": 1.0, "question": "A?", "answer": "a"}])
    assert "field 'id' is 1.0, expected an id" in problems_of(path)[0]


def test_an_ending_that_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.docx"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"ends in '.docx', expected one of .json"):
        rows.read(path)


TEXTS = st.text(min_size=1).filter(str.strip)
# CSV and Parquet are UTF-8, which has no lone surrogates; a cell of CSV cannot hold NUL.
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)
QUESTIONS = {
    name: st.lists(
        st.builds(
            lambda question, references, kind: {"question": question, "references": references, "kind": kind},
            texts,
            st.lists(texts, min_size=1, max_size=3),
            st.none() | texts,
        ),
        min_size=1,
        max_size=3,
    )
    for name, texts in (("rows.jsonl", TEXTS), ("rows.csv", PLAIN), ("rows.tsv", PLAIN), ("rows.parquet", PLAIN))
}


@pytest.mark.parametrize("name", WRITERS)
@given(data=st.data())
def test_what_is_written_is_read_back(name: str, tmp_path: Path, data: st.DataObject) -> None:
    values = data.draw(QUESTIONS[name])
    values = [{"id": f"q{rank}", **value} for rank, value in enumerate(values)]
    questions = load(WRITERS[name](tmp_path / name, values)).dataset.questions
    assert [(q.id, q.text, q.references, q.kind) for q in questions] == [
        (
            value["id"],
            value["question"].strip(),
            tuple(dict.fromkeys(text.strip() for text in value["references"])),
            (value["kind"] or "").strip(),
        )
        for value in values
    ]


@pytest.mark.parametrize("name", WRITERS)
@given(data=st.data())
def test_documents_that_are_written_are_read_back(name: str, tmp_path: Path, data: st.DataObject) -> None:
    texts = TEXTS if name == "rows.jsonl" else PLAIN
    paragraphs = texts.map(lambda text: " ".join(text.split())).filter(bool)
    values = [
        {
            "id": f"d{rank}",
            "title": data.draw(texts),
            "text": "\n\n".join(data.draw(st.lists(paragraphs, min_size=1, max_size=3))),
        }
        for rank in range(data.draw(st.integers(1, 3)))
    ]
    path = WRITERS[name](tmp_path / name, values)
    questions = write_lines(tmp_path / "questions.jsonl", [{**ROUTER, "document": "d0"}])
    documents = load(questions, path).dataset.documents
    assert [(document.id, document.title, document.text) for document in documents] == [
        (value["id"], value["title"], value["text"]) for value in values
    ]


def test_short_answers_are_known_with_and_without_documents(tmp_path: Path) -> None:
    written = [
        {"question": "Where?", "answer": ["India", "the republic of India in South Asia"]},
        {"question": "Is it?", "answer": "Yes"},
        {"question": "Why?", "answer": "Because of the many things that happened before."},
        {"question": "When?", "answer": "1947", "context": "It was 1947."},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in written), encoding="utf-8")
    found = {question.text: question.metadata for question in rows.read(path).loaded().dataset.questions}
    assert found == {
        "Where?": {"short_answers": ["India"]},
        "Is it?": {},
        "Why?": {},
        "When?": {"short_answers": ["1947"]},
    }
