"""SQuAD in its original layout, the hub's columns and JSON lines; what cannot be read is named."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from ragft.analysis.statistics.clusters import cluster
from ragft.data import leakage, squad
from ragft.data.collector import Loaded
from ragft.data.load import load_with_account
from ragft.data.splits import assign_splits
from ragft.errors import DataError
from ragft.types import ARTICLE, UNANSWERABLE, Dataset
from tests.unit.data.layouts import DATA

REAL = DATA / "squad" / "dev-v2.0.json"
CONTEXT = "The tower is 90 m high. It was built in 1889, of iron."
Article = dict[str, Any]


def answer(text: str, start: int | None = None) -> dict[str, Any]:
    return {"text": text, "answer_start": CONTEXT.find(text) if start is None else start}


def question(identifier: str = "q1", *answers: dict[str, Any], **others: object) -> dict[str, Any]:
    return {"id": identifier, "question": f" What is {identifier}? ", "answers": list(answers), **others}


def article(*questions: dict[str, Any], context: str = CONTEXT, **others: object) -> Article:
    return {"title": "Eiffel_Tower", "paragraphs": [{"context": context, "qas": list(questions)}], **others}


def load(folder: Path, *articles: Article, name: str = "squad.json") -> Loaded:
    path = folder / name
    path.write_text(json.dumps({"version": "v2.0", "data": list(articles)}), encoding="utf-8")
    return squad.read(path).loaded()


def problems(folder: Path, *articles: Article) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(folder, *articles)
    return [problem.partition("squad.json, ")[2] or problem for problem in caught.value.problems]


def hub_rows() -> list[dict[str, Any]]:
    """The real file in the hub's columns."""
    rows = []
    for each in json.loads(REAL.read_text(encoding="utf-8"))["data"]:
        for paragraph in each["paragraphs"]:
            for asked in paragraph["qas"]:
                columns = {name: [row[name] for row in asked["answers"]] for name in ("text", "answer_start")}
                row = {"id": asked["id"], "title": each["title"], "context": paragraph["context"]}
                rows.append({**row, "question": asked["question"], "answers": columns})
    return rows


def write_lines(rows: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(rows: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def write_articles(_: list[dict[str, Any]], folder: Path) -> Path:
    """One article of the original layout a line."""
    path = folder / "articles.jsonl"
    articles = json.loads(REAL.read_text(encoding="utf-8"))["data"]
    path.write_text("".join(json.dumps(each) + "\n" for each in articles), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def real() -> Dataset:
    return squad.read(REAL).loaded().dataset


def test_the_real_file(real: Dataset) -> None:
    assert (len(real.questions), len(real.documents)) == (6078, 646)
    assert Counter(q.kind for q in real.questions) == {"unanswerable": 3168, "extractive": 2910}
    assert len({q.metadata[ARTICLE] for q in real.questions}) == 16
    texts = {document.id: document.text for document in real.documents}
    for each in real.questions:
        (document,) = each.documents
        assert each.answerable == bool(each.evidence)
        assert all(text in texts[document] for text in each.evidence)
        assert each.text == each.text.strip()
        if each.answerable:
            assert all(any(reference in text for text in each.evidence) for reference in each.references)
        else:
            assert each.references == (UNANSWERABLE,)
            assert "short_answers" not in each.metadata


@pytest.mark.parametrize("write", [write_lines, write_parquet, write_articles])
def test_every_layout_holds_the_same_questions(
    write: Callable[[list[dict[str, Any]], Path], Path], real: Dataset, tmp_path: Path
) -> None:
    found = load_with_account("squad", str(write(hub_rows(), tmp_path))).dataset
    assert [d.id for d in found.documents] == [d.id for d in real.documents]
    for one, other in zip(found.questions, real.questions, strict=True):
        for name in ("id", "text", "references", "documents", "evidence", "kind", "answerable"):
            assert getattr(one, name) == getattr(other, name)
        assert one.metadata[ARTICLE] == other.metadata[ARTICLE]


@pytest.mark.slow
def test_a_split_keeps_articles_whole_and_its_paragraphs_are_the_clusters(real: Dataset) -> None:
    linked = leakage.links(leakage.compare(real.questions, real.documents))
    splits = assign_splits(real, seed=0, test_seen=0.1, linked=linked)
    articles = {name: {q.metadata[ARTICLE] for q in questions} for name, questions in splits.items()}
    held_out = [articles[name] for name in ("train", "dev", "test", "confirm")]
    assert len(set.union(*held_out)) == sum(map(len, held_out)) == 16
    assert articles["test_seen"] <= articles["train"]
    assert len(articles["test"]) == 3
    assert len(set(cluster(splits["test"]).labels.values())) == 119


def test_plausible_answers_are_no_references(tmp_path: Path) -> None:
    trap = question("q2", is_impossible=True, plausible_answers=[answer("1889"), answer("1889")])
    (one, two) = load(tmp_path, article(question("q1", answer("90 m"), is_impossible=False), trap)).dataset.questions
    assert (one.text, one.references, one.answerable) == ("What is q1?", ("90 m",), True)
    assert one.evidence == ("The tower is 90 m high.",)
    assert (two.text, two.references, two.answerable, two.evidence) == ("What is q2?", (UNANSWERABLE,), False, ())
    assert two.metadata["plausible_answers"] == ["1889"]


def test_annotators_who_agree_count_once(tmp_path: Path) -> None:
    asked = question("q1", answer("1889"), answer("in 1889"), answer("1889"))
    (found,) = load(tmp_path, article(asked)).dataset.questions
    assert found.references == ("1889", "in 1889")
    assert found.metadata["short_answers"] == ["1889", "in 1889"]
    assert found.evidence == ("It was built in 1889, of iron.",)


def test_an_answer_across_two_sentences_has_both_as_evidence(tmp_path: Path) -> None:
    (found,) = load(tmp_path, article(question("q1", answer("high. It was built")))).dataset.questions
    assert found.evidence == (CONTEXT,)


def test_version_1_without_titles_and_flags(tmp_path: Path) -> None:
    untitled = article(question("q1", answer("1889")))
    del untitled["title"]
    second = {"context": f"{CONTEXT} More.", "qas": [question("q2", answer("iron"))]}
    untitled["paragraphs"].append(second)
    loaded = load(tmp_path, untitled, article(question("q3", answer("iron")), context=f"So: {CONTEXT}", title=" "))
    one, two, three = loaded.dataset.questions
    assert one.metadata[ARTICLE] == two.metadata[ARTICLE] != three.metadata[ARTICLE]
    assert [document.title for document in loaded.dataset.documents] == ["", "", ""]
    assert loaded.notes[0].startswith("3 paragraphs have no title")


def test_an_answer_start_that_is_wrong_is_counted(tmp_path: Path) -> None:
    loaded = load(tmp_path, article(question("q1", answer("1889", 3))))
    assert loaded.notes == ("1 answers stand elsewhere in their paragraph than answer_start says",)
    assert loaded.dataset.questions[0].evidence == ("It was built in 1889, of iron.",)


def test_a_file_in_two_layouts_is_read_once(tmp_path: Path) -> None:
    asked = question("q1", answer("1889"))
    row = {"id": "q1", "title": "Eiffel_Tower", "context": CONTEXT, "question": "What is q1?"}
    write_lines([{**row, "answers": {"text": ["1889"], "answer_start": [CONTEXT.find("1889")]}}], tmp_path)
    load(tmp_path, article(asked))
    loaded = squad.read(tmp_path).loaded()
    assert len(loaded.dataset.questions) == len(loaded.dataset.documents) == 1
    assert list(loaded.skipped.values()) == [{"the same question again": 1}]


def test_train_and_dev_files_are_splits(tmp_path: Path) -> None:
    load(tmp_path, article(question("q1", answer("1889"))), name="train-v2.0.json")
    load(tmp_path, article(question("q2", answer("iron")), title="Other"), name="dev-v2.0.json")
    found = squad.read(tmp_path).loaded().dataset.questions
    assert {q.id: q.split for q in found} == {"q1": "train", "q2": "dev"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (question("q1", answer("1890", 5)), "question 1, answer 1: is '1890', which does not stand in the paragraph"),
        (question("q1"), "question 1: has no answer (field 'answers') and is not is_impossible"),
        (question("q1", answer("iron"), is_impossible=True), "question 1: has is_impossible true and answers"),
        (question("", answer("iron")), "question 1: field 'id' is '', expected an id"),
        (
            question("q1", answer("iron"), is_impossible="no"),
            "question 1: field 'is_impossible' is 'no', expected true",
        ),
        (
            question("q1", {"text": "iron", "answer_start": "4"}),
            "answer 1: field 'answer_start' is '4', expected a whole",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, article(asked))
    assert found.startswith("record 1 (line 1), article 1, paragraph 1, ")
    assert said in found


def test_a_row_that_has_an_answer_and_gives_none_is_refused(tmp_path: Path) -> None:
    """In the hub's columns an empty list stands inside the answers."""
    empty: dict[str, list[Any]] = {"text": [], "answer_start": []}
    row = {"id": "q1", "title": "T", "context": "Iron is a metal.", "question": "What is it?", "answers": empty}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row | {"is_impossible": False}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_with_account("squad", str(tmp_path / "rows.jsonl"))
    assert "has no answer (field 'answers')" in caught.value.problems[0]


def test_two_questions_with_one_id_are_refused_with_both_places(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, article(question("q1", answer("iron")), question("q1", answer("1889"))))
    assert "question 2: has the id 'q1' of another question (record 1 (line 1), article 1, paragraph 1, quest" in found


def test_a_paragraph_without_text_and_an_article_without_paragraphs_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, article(question("q1", is_impossible=True), context=" "), {"title": "T"})
    assert any("paragraph 1: field 'context' is ' ', expected a text that is not blank" in each for each in found)
    assert any("article 2: has no field 'paragraphs'" in each for each in found)


def test_a_file_in_which_no_question_has_an_answer_is_refused(tmp_path: Path) -> None:
    assert "none of the 1 questions has an answer" in problems(tmp_path, article(question("q1", is_impossible=True)))[0]
