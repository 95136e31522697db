import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data import natural_questions
from ragft.data.collector import Loaded
from ragft.data.splits import components
from ragft.errors import ConfigError, DataError
from ragft.types import Question
from tests.unit.data.layouts import DATA

NQ = DATA / "natural_questions"
PAGE = NQ / "simplified-nq-1row.jsonl"
OPEN = NQ / "NQ-open.efficientqa.dev.1.1.sample.jsonl"
COLLECTION = [{"id": "1", "title": "T", "text": "A text."}]
TOKENS = "<H1> The page </H1> <P> It has one dog . </P> <Table> <Tr> <Th> legs </Th> <Td> four </Td> </Tr> </Table>"
DOG = {"start_token": 8, "end_token": 9}
PARAGRAPH = {"start_token": 4, "end_token": 11, "candidate_index": 0}
NOTHING = {"start_token": -1, "end_token": -1, "candidate_index": -1}


def load(path: Path, documents: Path | None = None) -> Loaded:
    return natural_questions.read(path, documents).loaded()


def write(path: Path, *values: object) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def mark(long: Mapping[str, object] = NOTHING, *short: Mapping[str, object], yes_no: str = "NONE") -> dict[str, Any]:
    return {"long_answer": long, "short_answers": list(short), "yes_no_answer": yes_no, "annotation_id": 2**64 - 1}


def page(*annotations: dict[str, Any], **given: object) -> dict[str, Any]:
    url = "https://en.wikipedia.org//w/index.php?title=The_page&amp;oldid=7"
    return {
        "example_id": -(2**63),
        "question_text": "how many dogs",
        "document_text": TOKENS,
        "document_url": url,
        "annotations": list(annotations),
        **given,
    }


def only_question(folder: Path, *annotations: dict[str, Any]) -> Question:
    (question,) = load(write(folder / "pages.jsonl", page(*annotations))).dataset.questions
    return question


def problems_of(path: Path, documents: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        natural_questions.read(path, documents)
    return caught.value.problems


def test_the_real_page() -> None:
    loaded = load(PAGE)
    (document,) = loaded.dataset.documents
    (question,) = loaded.dataset.questions
    assert question.id == "5328212470870865242"
    assert (question.text, question.references) == ("how i.met your mother who is the mother", ("Tracy McConnell",))
    assert question.documents == (document.id,) == ("The Mother (How I Met Your Mother)",)
    assert question.metadata == {"short_answers": ["Tracy McConnell"]}
    assert question.evidence[0] in document.paragraphs
    assert question.evidence[0].startswith("Tracy McConnell , better known as")
    assert "<" not in document.text
    assert len(document.paragraphs) == 50
    assert document.paragraphs[5].startswith("The story of how Ted met The Mother")


def test_tokens_become_paragraphs_and_tags_go(tmp_path: Path) -> None:
    tokens = (
        "A < B <Ul> <Li> one </Li> <Li> two <Ul> <Li> nested </Li> </Ul> </Li> </Ul> <P> </P> "
        '<Table> <Tr> <Th_colspan="2"> head </Th> </Tr> <Tr> <Td> <P> a </P> </Td> <Td> b </Td> </Tr> </Table> <P> last'
    )
    write(tmp_path / "pages.jsonl", page(mark(), document_text=tokens))
    (document,) = load(tmp_path / "pages.jsonl").dataset.documents
    assert document.paragraphs == ("A < B", "one\ntwo\nnested", "head\na b", "last")


@pytest.mark.parametrize(
    ("annotations", "references", "kind", "short"),
    [
        ([mark(PARAGRAPH, DOG)], ("dog",), "short", ["dog"]),
        ([mark(PARAGRAPH, {"start_token": 7, "end_token": 8}, DOG)], ("one, dog",), "short", ["one, dog"]),
        ([mark(PARAGRAPH, yes_no="YES")], ("Yes",), "yes_no", None),
        ([mark(yes_no="NO")], ("No",), "yes_no", None),
        ([mark(PARAGRAPH)], ("It has one dog .",), "long", None),
        ([mark()], ("Unanswerable",), "unanswerable", None),
        ([mark(PARAGRAPH), mark(PARAGRAPH, DOG), mark(), mark(), mark()], ("dog",), "short", ["dog"]),
        ([mark(PARAGRAPH, DOG), mark(), mark(), mark(), mark()], ("Unanswerable",), "unanswerable", None),
        ([mark(PARAGRAPH, DOG), mark(PARAGRAPH, yes_no="NO"), mark()], ("dog", "No"), "short", ["dog"]),
    ],
)
def test_what_annotators_mark(
    annotations: list[dict[str, Any]], references: tuple[str, ...], kind: str, short: list[str] | None, tmp_path: Path
) -> None:
    question = only_question(tmp_path, *annotations)
    assert question.id == "-9223372036854775808"
    assert (question.references, question.kind) == (references, kind)
    assert question.answerable == (kind != "unanswerable")
    assert question.metadata.get("short_answers") == short
    assert question.evidence == (
        ("It has one dog .",) if PARAGRAPH in [a["long_answer"] for a in annotations] and question.answerable else ()
    )


def test_a_long_short_answer_is_none_for_closed_books(tmp_path: Path) -> None:
    question = only_question(tmp_path, mark(PARAGRAPH, {"start_token": 2, "end_token": 11}))
    assert question.references == ("page It has one dog .",)
    assert question.metadata == {}


def test_revisions_of_a_page_stay_together(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pages.jsonl",
        page(mark(PARAGRAPH, DOG), example_id=1),
        page(mark(PARAGRAPH, DOG), example_id=2),
        page(mark(PARAGRAPH, DOG), example_id=3, document_text=TOKENS.replace("legs", "eyes")),
    )
    loaded = load(path)
    assert [document.id for document in loaded.dataset.documents] == ["The page", "The page (page of 3)"]
    assert [q.documents for q in loaded.dataset.questions] == [
        ("The page",),
        ("The page",),
        ("The page", "The page (page of 3)"),
    ]
    assert len(components(loaded.dataset.questions)) == 1
    assert loaded.skipped == {}


def test_the_original_and_the_copy_on_the_hub(tmp_path: Path) -> None:
    texts = TOKENS.split(" ")
    tokens = [{"token": text, "html_token": text.startswith("<")} for text in texts]
    original = page(mark(PARAGRAPH, DOG), document_tokens=tokens, document_title="The page")
    del original["document_text"]
    hub = {
        "id": "-9223372036854775808",
        "document": {
            "title": "The page",
            "url": "https://en.wikipedia.org/wiki/The_page",
            "tokens": {
                "token": [text.lower() if text.startswith("<") else text for text in texts],
                "is_html": [text.startswith("<") for text in texts],
            },
        },
        "question": {"text": "how many dogs", "tokens": ["how", "many", "dogs"]},
        "annotations": {
            "id": ["1"],
            "long_answer": [PARAGRAPH],
            "short_answers": [{"start_token": [8], "end_token": [9], "text": ["dog"]}],
            "yes_no_answer": [-1],
        },
    }
    simplified = load(write(tmp_path / "a.jsonl", page(mark(PARAGRAPH, DOG)))).dataset
    for name, value in (("original", original), ("hub", hub)):
        found = load(write(tmp_path / f"{name}.jsonl", value)).dataset
        assert found.questions == simplified.questions
        assert [document.paragraphs for document in found.documents] == [
            document.paragraphs for document in simplified.documents
        ]


def test_every_bad_page_is_named_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pages.jsonl",
        page(mark(PARAGRAPH, {"start_token": 8, "end_token": 99})),
        page(mark({"start_token": 9, "end_token": 8})),
        page(mark({"start_token": "9", "end_token": 10})),
        page(mark(yes_no="MAYBE")),
        page(),
        page(mark(), example_id=5.3e18),
        page(mark(), document_text="<P> </P>"),
        page(mark(), question_text=" "),
    )
    assert [problem.removeprefix(f"{path}, record ") for problem in problems_of(path)] == [
        "1 (line 1), annotation 1, short answer 1: the short answer is tokens 8 to 99, expected a span inside the 21 "
        "tokens of the page",
        "2 (line 2), annotation 1, long_answer: the long_answer is tokens 9 to 8, expected a span inside the 21 tokens "
        "of the page",
        "3 (line 3), annotation 1, long_answer: field 'start_token' is '9', expected a whole number",
        "4 (line 4), annotation 1: field 'yes_no_answer' is 'MAYBE', expected YES, NO or NONE",
        "5 (line 5): field 'annotations' is an empty list, expected at least one annotation",
        "6 (line 6): field 'example_id' is 5.3e+18, expected an id: a text that is not blank or a whole number",
        "7 (line 7): field 'document_text' is '<P> </P>', expected a text with words",
        "8 (line 8): field 'question_text' is ' ', expected a text that is not blank",
    ]


def test_nq_open_needs_a_collection(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="come without documents: give documents="):
        natural_questions.read(OPEN)
    loaded = load(OPEN, write(tmp_path / "collection.jsonl", *COLLECTION))
    questions = loaded.dataset.questions
    assert (len(questions), len(loaded.dataset.documents), loaded.skipped) == (100, 1, {})
    assert questions[2].references == ("Salzburg, Austria", "Austria")
    assert questions[2].documents == ()


def test_nq_open_without_answers(tmp_path: Path) -> None:
    path = NQ / "NQ-open.efficientqa.dev.1.1.no-annotations.sample.jsonl"
    problems = problems_of(path, write(tmp_path / "collection.jsonl", *COLLECTION))
    assert len(problems) == 1
    assert "record 1 (line 1): has no answer (field 'answer'); a test set without answers" in problems[0]
    assert "; likewise 99 more: record 2 (line 2), record 3 (line 3), " in problems[0]


def test_kilt_with_its_knowledge_source(tmp_path: Path) -> None:
    paragraphs = ["The Mother (How I Met Your Mother)\n", "Tracy McConnell is the title character.\n", "More.\n"]
    source = {"_id": "40262098", "wikipedia_id": "40262098", "wikipedia_title": "The Mother", "text": paragraphs}
    collection = write(tmp_path / "source.jsonl", source)
    loaded = load(NQ / "kilt" / "nq-train-kilt.jsonl", collection)
    assert (len(loaded.dataset.questions), len(loaded.dataset.documents), loaded.skipped) == (5, 1, {})
    question = loaded.dataset.questions[0]
    assert (question.id, question.references) == ("5328212470870865242", ("Tracy McConnell",))
    assert question.documents == ("40262098",)
    assert question.evidence == ("Tracy McConnell is the title character.",)
    dev = load(NQ / "kilt" / "nq-dev-kilt.jsonl", collection).dataset.questions
    assert [len(found.references) for found in dev] == [4, 3, 5, 2, 4]
    assert dev[0].metadata["short_answers"] == ["the therefore sign", "therefore sign"]
    with pytest.raises(DataError, match="a test set without answers"):
        load(NQ / "kilt" / "nq-test_without_answers-kilt.jsonl", collection)


def test_kilt_of_another_edition_finds_the_paragraph_by_the_answer(tmp_path: Path) -> None:
    source = {"wikipedia_id": "9", "wikipedia_title": "T", "text": ["T\n", "New lead.\n", "The dog barks.\n"]}
    provenance = {"wikipedia_id": "9", "start_paragraph_id": 1, "end_paragraph_id": 1}
    row = {"id": "q", "input": "who barks", "output": [{"answer": "dog", "provenance": [provenance]}]}
    question = load(write(tmp_path / "kilt.jsonl", row), write(tmp_path / "source.jsonl", source)).dataset.questions[0]
    assert question.evidence == ("The dog barks.",)


def dpr(question: str, *positive: str, negative: tuple[str, ...] = (), title: str = "Dog") -> dict[str, Any]:
    def context(text: str) -> dict[str, object]:
        return {"title": title, "text": text, "score": 1000, "title_score": 1, "passage_id": str(sum(map(ord, text)))}

    return {
        "dataset": "nq_dev_psgs_w100",
        "question": question,
        "answers": ["dog"],
        "positive_ctxs": [context(text) for text in positive],
        "negative_ctxs": [context(text) for text in negative],
        "hard_negative_ctxs": [],
    }


def test_dpr_brings_its_passages(tmp_path: Path) -> None:
    path = tmp_path / "biencoder-nq-dev.json"
    rows = [
        dpr("who barks", "A dog barks.", "Dogs.", negative=("Cats.",)),
        dpr("what barks", "Dogs."),
        dpr("who", title=""),
    ]
    path.write_text(json.dumps(rows, indent=4), encoding="utf-8")
    loaded = load(path)
    assert [document.text for document in loaded.dataset.documents] == ["A dog barks.", "Dogs.", "Cats."]
    first, second, third = loaded.dataset.questions
    assert first.documents == ("Dog", loaded.dataset.documents[0].id)
    assert (first.references, first.evidence) == (("dog",), ("A dog barks.",))
    assert (third.documents, third.evidence) == ((), ())
    assert len(components((first, second, third))) == 2
    assert loaded.skipped == {}


def test_the_tables_of_dpr(tmp_path: Path) -> None:
    path = tmp_path / "nq-test.qa.csv"
    path.write_text("who barks\t['dog', \"the dog's\"]\nwhat\t['a']\n", encoding="utf-8")
    passages = tmp_path / "psgs_w100.tsv"
    passages.write_text('id\ttext\ttitle\n1\t"A ""dog"" barks."\tDog\n', encoding="utf-8")
    dataset = load(path, passages).dataset
    assert [question.references for question in dataset.questions] == [("dog", "the dog's"), ("a",)]
    assert dataset.documents[0].text == 'A "dog" barks.'
    path.write_text("who barks\n\nwhat\t[dog]\nwhere\t3\n", encoding="utf-8")
    assert [problem.removeprefix(f"{path}, record ") for problem in problems_of(path, passages)] == [
        "1: has 1 cells, expected question and answers with a tab between",
        "2: has 0 cells, expected question and answers with a tab between",
        "3: has answers that are no list as Python writes it",
        "4: field 'answers' is 3, expected a text or a list of texts",
    ]


WORDS = st.text(st.characters(exclude_characters="<>", exclude_categories=("Zs", "Zl", "Zp", "Cc", "Cs")), min_size=1)
PARAGRAPHS = st.lists(st.lists(WORDS.filter(str.strip), min_size=1, max_size=4), min_size=1, max_size=3)


@given(paragraphs=PARAGRAPHS, data=st.data(), identifier=st.integers())
def test_what_is_written_as_a_page_is_read_back(
    tmp_path: Path, paragraphs: list[list[str]], data: st.DataObject, identifier: int
) -> None:
    tokens: list[str] = []
    starts = []
    for words in paragraphs:
        starts.append(len(tokens))
        tokens += ["<P>", *words, "</P>"]
    rank = data.draw(st.integers(0, len(paragraphs) - 1))
    start, words = starts[rank], paragraphs[rank]
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    row = page(
        mark(
            {"start_token": start, "end_token": start + len(words) + 2},
            {"start_token": start + 1 + first, "end_token": start + 2 + last},
        ),
        example_id=identifier,
        document_text=" ".join(tokens),
    )
    dataset = load(write(tmp_path / "pages.jsonl", row)).dataset
    assert dataset.documents[0].paragraphs == tuple(" ".join(words) for words in paragraphs)
    (question,) = dataset.questions
    assert question.id == str(identifier)
    assert question.references == (" ".join(words[first : last + 1]),)
    assert question.evidence == (" ".join(words),)


TEXTS = st.text(min_size=1).filter(str.strip)


@given(rows=st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=3))
@pytest.mark.parametrize("layout", ["open", "dpr", "kilt"])
def test_what_is_written_in_other_layouts_is_read_back(
    layout: str, tmp_path: Path, rows: list[tuple[str, list[str]]]
) -> None:
    collection = write(tmp_path / "collection.jsonl", *COLLECTION)
    values = [
        {
            "open": {"id": number, "question": text, "answer": answers},
            "dpr": {"id": number, "question": text, "answers": answers, "positive_ctxs": [{"title": "", "text": text}]},
            "kilt": {
                "id": str(number),
                "input": text,
                "output": [{"answer": answer, "provenance": [{"wikipedia_id": "1"}]} for answer in answers],
            },
        }[layout]
        for number, (text, answers) in enumerate(rows)
    ]
    dataset = load(write(tmp_path / "rows.jsonl", *values), collection).dataset
    assert [(q.id, q.text, q.references) for q in dataset.questions] == [
        (str(number), text.strip(), tuple(dict.fromkeys(answer.strip() for answer in answers)))
        for number, (text, answers) in enumerate(rows)
    ]
    if layout == "dpr":
        assert [q.evidence for q in dataset.questions] == [(text.strip(),) for text, _ in rows]
