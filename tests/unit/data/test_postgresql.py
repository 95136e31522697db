"""A data set as a user writes one: 200 questions about pages of a manual, of which the pages leave thirty open."""

from pathlib import Path

import pytest

from ragft.data import rows
from ragft.data.collector import Loaded
from ragft.data.leakage import compare, find_leaks, links
from ragft.data.splits import assign_splits
from ragft.types import UNANSWERABLE
from tests.unit.data.layouts import DATA

FOLDER = DATA / "postgresql"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return rows.read(FOLDER / "questions.jsonl", FOLDER / "documents").loaded()


def test_two_hundred_questions_thirty_without_an_answer(loaded: Loaded) -> None:
    questions = loaded.dataset.questions
    assert len(questions) == 200
    assert len(loaded.dataset.documents) == 55
    assert sum(not question.answerable for question in questions) == 30
    assert all(question.references == (UNANSWERABLE,) for question in questions if not question.answerable)
    assert loaded.skipped == {}
    assert [note.split(" have ")[0] for note in loaded.notes] == ["30 of 200 questions"]
    asked = {document for question in questions for document in question.documents}
    assert asked == {document.id for document in loaded.dataset.documents}


def test_the_evidence_of_each_answer_stands_in_its_document_and_holds_the_answer(loaded: Loaded) -> None:
    texts = {document.id: document.text for document in loaded.dataset.documents}
    answered = [question for question in loaded.dataset.questions if question.answerable]
    assert len(answered) == 170
    for question in answered:
        (document,), (evidence,) = question.documents, question.evidence
        assert evidence in texts[document], question.id
        if question.kind != "yes_no":
            assert any(answer.casefold() in evidence.casefold() for answer in question.references), question.id


@pytest.mark.parametrize("seed", range(5))
def test_it_is_divided_without_leaks_into_splits_that_can_decide(loaded: Loaded, seed: int) -> None:
    dataset = loaded.dataset
    likeness = compare(dataset.questions, dataset.documents)
    splits = assign_splits(dataset, seed=seed, test_seen=0.1, linked=links(likeness))
    assert find_leaks(splits, likeness).clean
    assert len(splits["train"]) >= 75
    assert all(len(splits[split]) >= 30 for split in ("test", "confirm"))


def test_it_stays_small_and_keeps_its_licence() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 400_000
    assert "without a written agreement is hereby granted" in " ".join(_text(FOLDER / "LICENSE").split())


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
