"""What each real file holds, as the documentation's table says it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import data_counts
from ragft.data.load import load_with_account
from ragft.errors import DataError
from tests.unit.data.layouts import DATA

ROOT = DATA.parents[1]
# data set, file: questions, documents, what was left out of the file and why
COUNTS = [
    ("qasper", "qasper/qasper-4papers-v0.3.json", 15, 4, {}),
    ("qasper", "qasper_fixture/qasper-sample-small.json", 4, 1, {}),
    ("natural_questions", "natural_questions/simplified-nq-1row.jsonl", 1, 1, {}),
    ("natural_questions", "natural_questions/NQ-open.efficientqa.dev.1.1.sample.jsonl", 100, 1, {}),
    ("natural_questions", "natural_questions/kilt/nq-train-kilt.jsonl", 5, 1, {}),
    ("natural_questions", "natural_questions/kilt/nq-dev-kilt.jsonl", 5, 1, {}),
    ("bioasq", "bioasq/10B6_golden.json", 37, 370, {"named without abstract or snippet": 183}),
    ("bioasq", "bioasq/training13b_sample.json", 1, 9, {}),
    ("entity_questions", "entity_questions/P17.dev.json", 1000, 0, {}),
    ("squad", "squad/dev-v2.0.json", 6078, 646, {}),
]
WITHOUT_ANSWERS = [
    ("natural_questions", "natural_questions/NQ-open.efficientqa.dev.1.1.no-annotations.sample.jsonl"),
    ("natural_questions", "natural_questions/kilt/nq-test_without_answers-kilt.jsonl"),
    ("bioasq", "bioasq/BioASQ-task11bPhaseA-testset1.json"),
]


def collection_for(file: str, folder: Path) -> str:
    """NQ-open and KILT come without documents: one is given beside them."""
    if "NQ-open" not in file and "kilt" not in file:
        return ""
    path = folder / "collection.jsonl"
    path.write_text(json.dumps({"id": "1", "title": "T", "text": "A text."}) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("dataset", "file", "questions", "documents", "skipped"), COUNTS)
def test_questions_documents_and_what_is_left_out(
    dataset: str, file: str, questions: int, documents: int, skipped: dict[str, int], tmp_path: Path
) -> None:
    loaded = load_with_account(dataset, str(DATA / file), collection_for(file, tmp_path))
    assert (len(loaded.dataset.questions), len(loaded.dataset.documents)) == (questions, documents)
    assert sum(map(Counter, loaded.skipped.values()), Counter()) == skipped
    assert len({question.id for question in loaded.dataset.questions}) == questions
    assert all(question.references for question in loaded.dataset.questions)


@pytest.mark.parametrize(("dataset", "file"), WITHOUT_ANSWERS)
def test_files_without_answers_say_so(dataset: str, file: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a test set without answers cannot be trained on or evaluated"):
        load_with_account(dataset, str(DATA / file), collection_for(file, tmp_path))


def test_every_real_file_is_in_the_table() -> None:
    listed = {file for _, file, *_ in COUNTS} | {file for _, file in WITHOUT_ANSWERS}
    folders = ("qasper", "qasper_fixture", "natural_questions", "bioasq", "entity_questions", "squad")
    there = {
        path.relative_to(DATA).as_posix()
        for folder in folders
        for path in (DATA / folder).rglob("*.json*")
        if path.name != "expected-token-f1.json"
    }
    assert listed == there


def test_the_table_of_the_documentation_is_the_printed_one() -> None:
    assert data_counts.table() in (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert {file for _, file, *_ in data_counts.FILES} == {file for _, file, *_ in (*COUNTS, *WITHOUT_ANSWERS)}
