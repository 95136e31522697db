import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data import bioasq
from ragft.data.collector import Loaded
from ragft.data.splits import components
from ragft.errors import DataError
from ragft.types import Question
from tests.unit.data.layouts import DATA

GOLDEN = DATA / "bioasq" / "10B6_golden.json"
URL = "http://www.ncbi.nlm.nih.gov/pubmed/"


def load(path: Path, documents: Path | None = None) -> Loaded:
    return bioasq.read(path, documents).loaded()


def row(**given: object) -> dict[str, Any]:
    usual = {
        "id": "q1",
        "type": "summary",
        "body": "What?",
        "documents": [URL + "1"],
        "snippets": [snippet("Text.", "1")],
        "ideal_answer": ["That."],
    }
    return {name: value for name, value in {**usual, **given}.items() if value != "absent"}


def snippet(text: str, document: str, section: str = "abstract", start: int = 0) -> dict[str, Any]:
    place = {"beginSection": section, "endSection": section, "offsetInBeginSection": start, "offsetInEndSection": 9}
    return {"text": text, "document": URL + document, **place}


def write(folder: Path, *rows: object, name: str = "golden.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"questions": rows}), encoding="utf-8")
    return path


def only_question(folder: Path, **given: object) -> Question:
    (question,) = load(write(folder, row(**given))).dataset.questions
    return question


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        bioasq.read(path)
    return caught.value.problems


def test_the_golden_batch() -> None:
    loaded = load(GOLDEN)
    questions = loaded.dataset.questions
    assert (len(questions), len(loaded.dataset.documents)) == (37, 370)
    assert loaded.skipped == {"documents": {"named without abstract or snippet": 183}}
    assert Counter(question.kind for question in questions) == {"list": 15, "summary": 10, "yes_no": 6, "factoid": 6}
    texts = {document.id: document.text for document in loaded.dataset.documents}
    assert all(any(text in texts.get(name, "") for name in q.documents) for q in questions for text in q.evidence)
    by_text = {question.text: question for question in questions}
    assert by_text["Does p85α homodimerize?"].references[-1] == "Yes"
    factoid = by_text["What is the incubation period for COVID-19?"]
    assert factoid.references[-4:] == ("5-7 days", "5 days", "6 days", "7 days")
    assert factoid.metadata["short_answers"] == ["5-7 days", "5 days", "6 days", "7 days"]
    assert by_text["Which proteins does p110α interact with?"].references[-1] == "p85α, RAS"


def test_questions_of_the_golden_batch_are_clustered_by_their_documents() -> None:
    sizes = Counter(len(part) for part in components(load(GOLDEN).dataset.questions))
    assert sizes == {1: 26, 2: 2, 3: 1, 4: 1}


def test_the_training_sample() -> None:
    loaded = load(DATA / "bioasq" / "training13b_sample.json")
    (question,) = loaded.dataset.questions
    assert (question.kind, len(question.references), len(question.documents)) == ("summary", 1, 9)
    assert len(loaded.dataset.documents) == 9
    assert loaded.skipped == {}


def test_a_test_set_without_answers() -> None:
    path = DATA / "bioasq" / "BioASQ-task11bPhaseA-testset1.json"
    (problem,) = problems_of(path)
    assert problem.startswith(
        f"{path}, record 1 (line 1), question 1: has neither ideal_answer nor exact_answer, as 74"
    )


@pytest.mark.parametrize(
    ("kind", "exact", "references", "entities"),
    [
        ("yesno", "yes", ("That.", "Yes"), [["yes"]]),
        ("yesno", "Yes", ("That.", "Yes"), [["Yes"]]),
        ("yesno", ["no"], ("That.", "No"), [["no"]]),
        ("factoid", [["a", "b"], ["c"]], ("That.", "a", "b", "c"), [["a", "b"], ["c"]]),
        ("factoid", ["a", "b "], ("That.", "a", "b"), [["a", "b"]]),
        ("factoid", "a", ("That.", "a"), [["a"]]),
        ("list", [["a", "A"], ["b"]], ("That.", "a, b"), [["a", "A"], ["b"]]),
        ("list", ["a", "b", " "], ("That.", "a, b"), [["a"], ["b"]]),
        ("summary", "n/a", ("That.",), None),
        ("factoid", [], ("That.",), None),
        ("list", "absent", ("That.",), None),
    ],
)
def test_every_shape_of_exact_answers(
    kind: str, exact: object, references: tuple[str, ...], entities: object, tmp_path: Path
) -> None:
    question = only_question(tmp_path, type=kind, exact_answer=exact)
    assert question.references == references
    assert question.metadata.get("exact_answer") == entities


def test_an_ideal_answer_may_be_a_text_or_be_missing(tmp_path: Path) -> None:
    assert only_question(tmp_path, ideal_answer=" That. ").references == ("That.",)
    assert only_question(tmp_path, type="yesno", ideal_answer="absent", exact_answer="no").references == ("No",)


def test_stale_and_unknown_keys_are_left_alone(tmp_path: Path) -> None:
    question = only_question(tmp_path, _body="Old?", _type="list", concepts=["c"], triples=[{"s": 1}])
    assert (question.text, question.kind) == ("What?", "summary")


def test_snippets_are_the_collection_in_the_order_of_the_abstract(tmp_path: Path) -> None:
    first = row(snippets=[snippet("Second sentence.", "1", start=90), snippet("First sentence.", "1", start=3)])
    second = row(
        id="q2",
        body="And?",
        documents=["https://pubmed.ncbi.nlm.nih.gov/1/"],
        snippets=[snippet("A title", "1", "title"), snippet("sentence.", "1", start=9), snippet("Other.", "2")],
    )
    loaded = load(write(tmp_path, first, second))
    assert {document.id: document.paragraphs for document in loaded.dataset.documents} == {
        "1": ("A title", "First sentence.", "Second sentence."),
        "2": ("Other.",),
    }
    assert [question.documents for question in loaded.dataset.questions] == [("1",), ("1", "2")]
    assert loaded.dataset.questions[1].evidence == ("A title", "sentence.", "Other.")
    again = load(write(tmp_path, second, first)).dataset
    assert again.sha256 == loaded.dataset.sha256


@pytest.mark.parametrize(
    "abstracts",
    [
        [{"id": "1", "title": "T", "text": "The abstract."}],
        [{"pmid": 1, "title": "T", "abstract": "The abstract."}],
        [{"id": URL + "1", "title": "T", "text": "The abstract."}],
        [{"articles": [{"pmid": "1", "title": "T", "abstractText": "The abstract.", "journal": "J"}]}],
    ],
)
def test_abstracts_are_the_collection_where_they_are_given(abstracts: list[Any], tmp_path: Path) -> None:
    documents = tmp_path / "abstracts.json"
    documents.write_text("\n".join(json.dumps(value) for value in abstracts), encoding="utf-8")
    questions = write(tmp_path, row(snippets=[snippet("Text.", "1"), snippet("Other.", "2")]))
    found = load(questions, documents).dataset.documents
    assert {document.id: document.text for document in found} == {"1": "The abstract.", "2": "Other."}


def test_single_questions_and_snippets_may_lack_something(tmp_path: Path) -> None:
    lacking = row(id="q2", ideal_answer=[" "])
    path = write(tmp_path, row(snippets=[snippet(" ", "2"), snippet("Text.", "1")]), lacking)
    loaded = load(path)
    (question,) = loaded.dataset.questions
    assert (question.documents, question.evidence) == (("1", "2"), ("Text.",))
    assert loaded.skipped == {
        str(path): {"without answer": 1},
        "documents": {"named without abstract or snippet": 1},
    }


def test_batches_of_a_folder_repeat_questions(tmp_path: Path) -> None:
    write(tmp_path, row(), name="1.json")
    revised = write(tmp_path, row(ideal_answer=["Revised."]), row(id="q9"), name="2.json")
    loaded = load(tmp_path)
    assert [(question.id, question.references) for question in loaded.dataset.questions] == [
        ("q1", ("That.",)),
        ("q9", ("That.",)),
    ]
    assert loaded.skipped == {str(revised): {"the same question again": 1}}


def test_every_bad_record_is_named_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        row(id=1.5, body=None),
        row(type="essay"),
        row(type="yesno", exact_answer="maybe"),
        row(type="list", exact_answer=[["a"], 3]),
        row(ideal_answer=[1]),
        row(snippets=[{"text": 1, "document": "1"}, {"text": "a"}, "text"]),
        row(documents={"a": 1}),
        "text",
    )
    at = f"{path}, record 1 (line 1), question "
    assert problems_of(path) == (
        f"{at}1: field 'id' is 1.5, expected an id: a text that is not blank or a whole number",
        f"{at}1: field 'body' is null, expected a text",
        f"{at}2: field 'type' is 'essay', expected one of yesno, factoid, list, summary",
        f"{at}3: field 'exact_answer' is 'maybe', expected yes or no",
        f"{at}4: field 'exact_answer' is a list of 2, expected a text, a list of texts, or a list of lists of texts",
        f"{at}5: field 'ideal_answer' is a list of 1, expected a text or a list of texts (item 1 is 1)",
        f"{at}6, snippet 1: field 'text' is 1, expected a text",
        f"{at}6, snippet 2: has no field 'document', expected a text; found 'text'",
        f"{at}6, snippet 3: is 'text', expected an object",
        f"{at}7: field 'documents' is an object with 'a', expected a text or a list of texts",
        f"{at}8: is 'text', expected an object",
    )


TEXTS = st.text(min_size=1).filter(str.strip)
ROWS = st.fixed_dictionaries(
    {
        "body": TEXTS,
        "type": st.sampled_from(["summary", "factoid", "list"]),
        "ideal_answer": st.one_of(TEXTS, st.lists(TEXTS, min_size=1, max_size=2)),
        "exact_answer": st.lists(st.lists(TEXTS, min_size=1, max_size=2), max_size=2),
        "documents": st.lists(st.integers(1, 5).map(lambda number: f"{URL}{number}"), max_size=2),
        "snippets": st.lists(st.builds(snippet, TEXTS, st.sampled_from("12345")), max_size=3),
    }
)


@given(rows=st.lists(ROWS, min_size=1, max_size=3))
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    written = [{"id": f"q{number}", **value} for number, value in enumerate(rows)]
    dataset = load(write(tmp_path, *written)).dataset
    for question, given_row in zip(dataset.questions, written, strict=True):
        ideal = given_row["ideal_answer"]
        ideal = [ideal] if isinstance(ideal, str) else ideal
        assert (question.id, question.text) == (given_row["id"], given_row["body"].strip())
        assert list(question.references[: len({text.strip() for text in ideal})]) == list(
            dict.fromkeys(text.strip() for text in ideal)
        )
        assert list(question.evidence) == list(dict.fromkeys(s["text"].strip() for s in given_row["snippets"]))
    texts = {document.id: document.paragraphs for document in dataset.documents}
    for given_row in written:
        for given_snippet in given_row["snippets"]:
            paragraphs = texts[given_snippet["document"].removeprefix(URL)]
            assert any(given_snippet["text"].strip() in text for text in paragraphs)


def test_a_systems_submission_is_not_taken_for_gold_without_a_word(tmp_path: Path) -> None:
    golden = load(GOLDEN)
    assert golden.warnings == ()
    value = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for question in value["questions"]:
        question["ideal_answer"] = question["ideal_answer"][0]
    submission = tmp_path / "system.json"
    submission.write_text(json.dumps(value), encoding="utf-8")
    (note,) = load(submission).warnings
    assert note.startswith(f"warning: {submission} looks like a system's submission, not like a golden file: each of")
    assert "its 37 ideal answers is one text" in note


def test_a_hundred_refusals_of_two_kinds_are_two_lines(tmp_path: Path) -> None:
    """What phase A asks systems for: documents and snippets by the question's id alone."""
    value = {"questions": [{"id": f"{rank:024x}", "documents": [], "snippets": []} for rank in range(100)]}
    path = tmp_path / "phase_a.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    problems = problems_of(path)
    others = ", ".join(f"record 1 (line 1), question {rank}" for rank in range(2, 11))
    assert problems == tuple(
        f"{path}, record 1 (line 1), question 1: has no field '{field}', expected a text; found 'id', 'documents', "
        f"'snippets'; likewise 99 more: {others}, ..."
        for field in ("body", "type")
    )
