"""`prepare -P check=True`: all that can be said of own data in a second, and nothing is made."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entrypoints.steps.shared import data_check
from ragft.errors import ConfigError, DataError
from ragft.params.data import PrepareParams

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = [
    {
        "ID": "a",
        "Question": "Which light blinks?",
        "answer": "The red one.",
        "document": "d1",
        "evidence": "It  is red.",
    },
    {"ID": "b", "Question": "which light blinks", "answer": "Red.", "document": "d1", "evidence": "It is green."},
    {"ID": "c", "Question": "Who made it?", "answer": "", "split_by": "hand"},
]


def write(path: Path, values: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return str(path)


def checked(**values: Any) -> list[str]:  # noqa: ANN401 - parameters
    said: list[str] = []
    data_check.run(PrepareParams(dataset="rows", **values), said.append)
    return said


def test_everything_a_person_looks_at(tmp_path: Path) -> None:
    questions = write(tmp_path / "q.jsonl", QUESTIONS)
    documents = write(
        tmp_path / "d.jsonl", [{"id": "d1", "text": "It is red. It blinks."}, {"id": "d2", "text": "No."}]
    )
    assert checked(path=questions, documents=documents) == [
        f"{questions}: columns",
        "  'ID' is read as the id",
        "  'Question' is read as the question",
        "  'answer' is read as its answer",
        "  'document' is read as its documents",
        "  'evidence' is read as the evidence",
        "  not read: 'split_by'",
        f"{documents}: columns",
        "  'id' is read as the id",
        "  'text' is read as the text",
        "1 of 3 questions have no answer in the documents (answerable: false, or an empty answer): right is whoever "
        "says so",
        "3 questions, 2 with an answer, 1 without",
        "  kinds: no kind given 2, unanswerable 1",
        "  asked more than once: 1 questions (a, b)",
        "  1 of 2 documents are asked about",
        "  1 questions name no document: whether the right one is found cannot be measured for them",
        "  a",
        "    question: Which light blinks?",
        "    answer: The red one.",
        "    documents: d1",
        "    evidence: It is red.",
        "  b",
        "    question: which light blinks",
        "    answer: Red.",
        "    documents: d1",
        "    evidence: It is green.",
        "  c",
        "    question: Who made it?",
        "    answer: Unanswerable",
        "2 documents of 24 characters, 2 passages of at most 1500 characters (1.0 a document); the largest: d1 (21), "
        "d2 (3)",
        "evidence: 1 of 2 texts stand in a document that their question names (b)",
        "  split      questions  without an answer  groups of documents",
        "  train              2                  0                    1",
        "  dev                0                  0                    0",
        "  test               1                  1                    1",
        "  confirm            0                  0                    0",
        "  test_seen          0                  0                    0",
        "a question of test is shown 2 of all 2 passages",
        "test has too few groups to show that false refusals do not rise (0 with an answer) and that false answers do "
        "not rise (1 without an answer): at the usual margins each takes about 60, and promote takes both; a clear "
        "loss still rejects",
        "checked; nothing was prepared",
    ]


def test_columns_are_said_before_errors_are_raised(tmp_path: Path) -> None:
    said: list[str] = []
    path = write(tmp_path / "q.jsonl", [{"Frage": f"{n}?", "answer": "a"} for n in range(50)])
    with pytest.raises(DataError, match=r"found 'Frage', 'answer'; likewise 49 more") as caught:
        data_check.run(PrepareParams(dataset="rows", path=path), said.append)
    assert len(caught.value.problems) == 1
    assert said == [f"{path}: columns", "  'answer' is read as its answer", "  not read: 'Frage'"]


def test_data_without_documents_or_from_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", QUESTIONS)
    assert (
        "2 questions name documents, but none were given: -P documents=folder/ (without, they are asked in the context "
        "none only)"
    ) in checked(path=path)
    write(tmp_path / "q.jsonl", [{"question": "Who?", "answer": "A."}, {"question": "Where to?", "answer": "B."}])
    assert "no documents: the questions can be asked in the context none only" in checked(path=path)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "d1").with_suffix(".md").write_text("# Light\n\nIt is red.", encoding="utf-8")
    write(tmp_path / "q.jsonl", [{**QUESTIONS[0], "document": "d1.md"}, QUESTIONS[2]])
    assert "evidence: 1 of 1 texts stand in a document that their question names" in checked(
        path=path, documents=str(texts)
    )


def test_a_question_is_answered_from_the_documents_of_its_split(tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(10)]
    path = write(tmp_path / "q.jsonl", [{"question": f"{n}?", "answer": n, "document": n} for n in names])
    documents = write(tmp_path / "d.jsonl", [{"id": n, "text": f"About {n}."} for n in names])
    told = "a question of test is shown 2 of the 2 passages of that split's 2 documents; -P collection=all chooses from"
    assert any(line.startswith(told) for line in checked(path=path, documents=documents))
    assert "a question of test is shown 5 of all 10 passages" in checked(
        path=path, documents=documents, collection="all"
    )


def test_what_prepare_will_refuse_is_refused_after_all_else_was_said(tmp_path: Path) -> None:
    said: list[str] = []
    path = write(tmp_path / "q.jsonl", QUESTIONS[:1])
    with pytest.raises(DataError, match="leaves no question for test"):
        data_check.run(PrepareParams(dataset="rows", path=path), said.append)
    assert said[-1].startswith("1 questions name documents, but none were given")


def test_without_a_path_there_is_nothing_to_look_at() -> None:
    with pytest.raises(ConfigError, match="with -P path="):
        checked()


def test_it_needs_no_model_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", QUESTIONS)
    script = (
        "import sys; from entrypoints.prepare import command; "
        "command(sys.argv[1:], standalone_mode=False); "
        "assert not {'torch', 'mlflow', 'transformers'} & set(sys.modules)"
    )
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", script, "--dataset", "rows", "--path", path, "--check", "True"],
        cwd=ROOT,
        env={**os.environ, "RAGFT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("checked; nothing was prepared\n")
    assert not home.exists()
