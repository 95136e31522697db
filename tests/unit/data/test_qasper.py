import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data import qasper
from ragft.data.collector import Loaded
from ragft.errors import ConfigError, DataError
from ragft.types import Question
from tests.unit.data.layouts import DATA, LAYOUTS, PAPERS, Papers, columnar

FIXTURE = DATA / "qasper_fixture" / "qasper-sample-small.json"
Write = Callable[[Papers, Path], Path]


def load(path: Path) -> Loaded:
    return qasper.read(path).loaded()


def answer(**given: object) -> dict[str, Any]:
    empty = {"unanswerable": False, "extractive_spans": [], "yes_no": None, "free_form_answer": "", "evidence": []}
    return {"answer": {**empty, **given}}


def paper(*answers: dict[str, Any], paragraphs: tuple[str, ...] = ("Some text.",)) -> Papers:
    return {
        "p1": {
            "title": "T",
            "abstract": "About it.",
            "full_text": [{"section_name": "S", "paragraphs": list(paragraphs)}],
            "qas": [{"question": "What?", "question_id": "q1", "answers": list(answers)}],
        }
    }


def only_question(papers: Papers, folder: Path) -> Question:
    (question,) = load(LAYOUTS["original"](papers, folder)).dataset.questions
    return question


def problems_of(papers: object, folder: Path) -> tuple[str, ...]:
    path = folder / "papers.json"
    path.write_text(json.dumps(papers), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        qasper.read(path)
    return caught.value.problems


def test_the_four_real_papers() -> None:
    loaded = load(PAPERS)
    questions = loaded.dataset.questions
    assert [document.id for document in loaded.dataset.documents] == [
        "1705.09665",
        "1811.00942",
        "1907.05664",
        "1810.04528",
    ]
    assert len(questions) == 15
    assert loaded.skipped == {}
    assert Counter(question.kind for question in questions) == {
        "extractive": 8,
        "abstractive": 4,
        "yes_no": 2,
        "unanswerable": 1,
    }
    assert sum(not question.answerable for question in questions) == 1
    assert sum(len(question.evidence) for question in questions) == 19
    texts = {document.id: document.text for document in loaded.dataset.documents}
    assert all(text in texts[question.documents[0]] for question in questions for text in question.evidence)


def test_annotators_who_disagree_on_the_kind_of_answer() -> None:
    by_id = {question.id: question for question in load(PAPERS).dataset.questions}
    question = by_id["003f884d3893532f8c302431c9f70be6f64d9be8"]
    assert question.references == ("No", "Unanswerable")
    assert question.kind == "yes_no"
    assert question.answerable
    assert question.metadata["kinds"] == ["yes_no", "unanswerable"]


def test_the_folder_of_real_papers_leaves_other_files_out() -> None:
    loaded = load(PAPERS.parent)
    assert loaded.dataset.sha256 == load(PAPERS).dataset.sha256
    assert loaded.skipped == {str(PAPERS.parent / "expected-token-f1.json"): {"not papers": 30}}


def test_the_official_fixture_whose_questions_share_an_id() -> None:
    loaded = load(FIXTURE)
    (document,) = loaded.dataset.documents
    assert document.paragraphs == (
        "This is the abstract of the paper",
        "Introduction",
        "A short paragraph",
        "Another intro paragraph",
        "Related Work",
        "Shorter paragraph",
        "Proposed Method: Polarity Function",
        "Method paragraph using seed lexicon",
        "Conclusion",
        "Conclusion paragraph",
    )
    questions = loaded.dataset.questions
    assert [question.references for question in questions] == [
        ("a vocabulary", "using seed lexicon"),
        ("Yes",),
        ("Unanswerable",),
        ("Conclusion paragraph",),
    ]
    assert len({question.id for question in questions}) == 4
    assert all(question.id.startswith("753990d0b621d390ed58f20c4d9e4f065f0dc672-") for question in questions)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_the_real_papers_is_the_same_data(layout: str, tmp_path: Path) -> None:
    papers = json.loads(PAPERS.read_text(encoding="utf-8"))
    path = LAYOUTS[layout](papers, tmp_path)
    assert load(path).dataset.sha256 == load(PAPERS).dataset.sha256


def test_two_layouts_in_one_folder_count_once(tmp_path: Path) -> None:
    papers = json.loads(PAPERS.read_text(encoding="utf-8"))
    LAYOUTS["original"](papers, tmp_path)
    lines = LAYOUTS["json_lines"](papers, tmp_path)
    loaded = load(tmp_path)
    assert loaded.dataset.sha256 == load(PAPERS).dataset.sha256
    assert loaded.skipped == {str(lines): {"the same document again": 4, "the same question again": 15}}


def test_names_of_files_give_the_splits(tmp_path: Path) -> None:
    papers = json.loads(PAPERS.read_text(encoding="utf-8"))
    first, *others = papers
    (tmp_path / "qasper-train-v0.3.json").write_text(json.dumps({first: papers[first]}), encoding="utf-8")
    assert {question.split for question in load(tmp_path).dataset.questions} == {None}
    (tmp_path / "qasper-test-v0.3.json").write_text(json.dumps({key: papers[key] for key in others}), encoding="utf-8")
    assert Counter(question.split for question in load(tmp_path).dataset.questions) == {"train": 6, "test": 9}


@pytest.mark.parametrize(
    ("given", "reference", "kind"),
    [
        ({"unanswerable": True, "free_form_answer": "yet filled in", "yes_no": True}, "Unanswerable", "unanswerable"),
        ({"extractive_spans": ["one ", "two"], "free_form_answer": "three"}, "one , two", "extractive"),
        ({"free_form_answer": " text\n", "yes_no": True}, "text", "abstractive"),
        ({"yes_no": True}, "Yes", "yes_no"),
        ({"yes_no": False}, "No", "yes_no"),
        ({"extractive_spans": [" "], "yes_no": False}, "No", "yes_no"),
    ],
)
def test_official_precedence(given: dict[str, Any], reference: str, kind: str, tmp_path: Path) -> None:
    question = only_question(paper(answer(**given)), tmp_path)
    assert (question.references, question.kind) == ((reference,), kind)
    assert question.answerable == (kind != "unanswerable")


def test_references_of_all_annotators_once_each(tmp_path: Path) -> None:
    answers = [answer(yes_no=False), answer(unanswerable=True), answer(free_form_answer="No"), answer(yes_no=True)]
    question = only_question(paper(*answers), tmp_path)
    assert question.references == ("No", "Unanswerable", "Yes")
    assert question.kind == "yes_no"


def test_evidence_that_is_not_text_goes_to_the_metadata(tmp_path: Path) -> None:
    given = answer(yes_no=True, evidence=["FLOAT SELECTED: Table 1: Results.", "Some text.", "text of nowhere", ""])
    again = answer(yes_no=True, evidence=["Some text."])
    question = only_question(paper(given, again), tmp_path)
    assert question.evidence == ("Some text.",)
    assert question.metadata["evidence_not_in_text"] == ["FLOAT SELECTED: Table 1: Results.", "text of nowhere"]


def test_sections_without_name_or_text(tmp_path: Path) -> None:
    papers = paper(answer(yes_no=True))
    papers["p1"]["full_text"] = [
        {"section_name": None, "paragraphs": ["Before the first heading.", ""]},
        {"section_name": "Empty", "paragraphs": ["", " "]},
        {"section_name": "A ::: B ::: C", "paragraphs": ["Deep."]},
    ]
    (document,) = load(LAYOUTS["original"](papers, tmp_path)).dataset.documents
    assert document.paragraphs == ("About it.", "Before the first heading.", "A: B: C", "Deep.")


def test_every_bad_record_is_named_at_once(tmp_path: Path) -> None:
    bad = paper(
        answer(),
        answer(yes_no="maybe"),
        answer(extractive_spans=[1], yes_no=True),
        answer(unanswerable="no", yes_no=True),
        {"answer": None},
    )
    bad["p1"]["qas"].append({"question": " ", "question_id": 1.5, "answers": []})
    bad["p2"] = {"title": 3, "abstract": None, "full_text": [{"section_name": "S", "paragraphs": [""]}], "qas": None}
    bad["p3"] = "text"
    problems = problems_of(bad, tmp_path)
    at = f"{tmp_path / 'papers.json'}, record 1 (line 1), paper "
    assert problems == (
        f"{at}'p1', question 1, answer 1: has none of the fields 'unanswerable', 'extractive_spans', "
        "'free_form_answer', 'yes_no' filled in",
        f"{at}'p1', question 1, answer 2: field 'yes_no' is 'maybe', expected true, false or null",
        f"{at}'p1', question 1, answer 3: field 'extractive_spans' is a list of 1, expected a text or a list of texts "
        "(item 1 is 1)",
        f"{at}'p1', question 1, answer 4: field 'unanswerable' is 'no', expected true, false or null",
        f"{at}'p1', question 1, answer 5: is null, expected an answer",
        f"{at}'p1', question 2: field 'question_id' is 1.5, expected an id: a text that is not blank or a whole number",
        f"{at}'p1', question 2: field 'question' is ' ', expected a text that is not blank",
        f"{at}'p1', question 2: has no answers, expected at least one annotator's",
        f"{at}'p2': field 'title' is 3, expected a text",
        f"{at}'p2': field 'full_text' is a list of 1, expected at least one paragraph that is not blank, "
        "or an abstract",
        f"{at}'p2': field 'qas' is null, expected a list of objects",
        f"{at}'p3': is 'text', expected a paper",
    )


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"questions": []}, [1, None], ["text"], "text", 3, None, True])
def test_other_layouts_are_refused(value: object, tmp_path: Path) -> None:
    assert problems_of(value, tmp_path)


def test_columns_of_unequal_length_are_refused(tmp_path: Path) -> None:
    row = columnar("p1", paper(answer(yes_no=True))["p1"])
    row["full_text"]["section_name"].append("more")
    (problem,) = problems_of(row, tmp_path)
    assert "'full_text' has columns of [1, 2] rows" in problem


def test_two_papers_with_one_id_are_refused(tmp_path: Path) -> None:
    rows = [{"id": "p1", **paper(answer(yes_no=True), paragraphs=(text,))["p1"]} for text in ("One.", "Two.")]
    assert any("another document with the id 'p1'" in problem for problem in problems_of(rows, tmp_path))
    text = json.dumps(paper(answer(yes_no=True)))
    (tmp_path / "twice.json").write_text(text[:-1] + ", " + text[1:], encoding="utf-8")
    with pytest.raises(DataError, match="has the field 'p1' twice"):
        qasper.read(tmp_path / "twice.json")


def test_papers_without_questions_are_no_data_set(tmp_path: Path) -> None:
    papers = paper()
    papers["p1"]["qas"] = []
    with pytest.raises(DataError, match="holds no question"):
        qasper.read(LAYOUTS["original"](papers, tmp_path))


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        qasper.read(tmp_path / "missing")
    with pytest.raises(DataError, match="holds no file that ends in"):
        qasper.read(tmp_path)


TEXTS = st.text(min_size=1).filter(str.strip)
# Arrow holds UTF-8, which has no lone surrogates.
UTF8_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@st.composite
def some_papers(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> Papers:
    answers = st.one_of(
        st.builds(lambda spans: answer(extractive_spans=spans), st.lists(texts, min_size=1, max_size=2)),
        st.builds(lambda text: answer(free_form_answer=text), texts),
        st.builds(lambda value: answer(yes_no=value), st.booleans()),
        st.just(answer(unanswerable=True)),
    )
    sections = st.fixed_dictionaries({"section_name": st.none() | texts, "paragraphs": st.lists(texts, max_size=2)})
    papers: Papers = {}
    for identifier in draw(st.lists(texts, min_size=1, max_size=2, unique=True)):
        questions = [
            {
                "question": draw(texts),
                "question_id": f"{len(papers)}-{rank}",
                "answers": draw(st.lists(answers, min_size=1, max_size=2)),
            }
            for rank in range(draw(st.integers(1, 2)))
        ]
        papers[identifier] = {
            "title": draw(texts),
            "abstract": draw(texts),
            "full_text": draw(st.lists(sections, max_size=2)),
            "qas": questions,
        }
    return papers


def expected_references(question: dict[str, Any]) -> tuple[str, ...]:
    found = []
    for row in question["answers"]:
        given = row["answer"]
        yes_no = {True: "Yes", False: "No", None: ""}[given["yes_no"]]
        text = ", ".join(given["extractive_spans"]) or given["free_form_answer"] or yes_no or "Unanswerable"
        found.append(text.strip())
    return tuple(dict.fromkeys(found))


def check_round_trip(papers: Papers, write: Write, folder: Path) -> None:
    dataset = load(write(papers, folder)).dataset
    assert {document.id: document.title for document in dataset.documents} == {
        identifier: paper["title"] for identifier, paper in papers.items()
    }
    for document in dataset.documents:
        written = papers[document.id]
        expected = [written["abstract"]]
        for section in written["full_text"]:
            name = (section["section_name"] or "").replace(" ::: ", ": ")
            expected += [name] * bool(name and section["paragraphs"]) + section["paragraphs"]
        assert list(document.paragraphs) == expected
    assert {(q.documents[0], q.text, q.references) for q in dataset.questions} == {
        (identifier, question["question"].strip(), expected_references(question))
        for identifier, paper in papers.items()
        for question in paper["qas"]
    }


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "parquet"])
@given(papers=some_papers(TEXTS))
def test_what_is_written_is_read_back(layout: str, tmp_path: Path, papers: Papers) -> None:
    check_round_trip(papers, LAYOUTS[layout], tmp_path)


@given(papers=some_papers(UTF8_TEXTS))
def test_what_is_written_to_parquet_is_read_back(tmp_path: Path, papers: Papers) -> None:
    check_round_trip(papers, LAYOUTS["parquet"], tmp_path)


def test_a_paper_may_have_the_id_of_a_field(tmp_path: Path) -> None:
    papers = {
        name: {
            "title": "T",
            "abstract": "A text.",
            "full_text": [],
            "qas": [{"question_id": name, "question": "Why?", "answers": [{"answer": {"unanswerable": True}}]}],
        }
        for name in ("qas", "full_text")
    }
    path = tmp_path / "papers.json"
    path.write_text(json.dumps(papers))
    assert {document.id for document in qasper.read(path).loaded().dataset.documents} == {"qas", "full_text"}
