"""Natural Questions in the layouts in which it is distributed, recognised record by record.

Simplified pages (and the original and hub copies of them), NQ-open with a document collection beside it, DPR's
questions with retrieved passages, DPR's question and answer tables, and KILT with its knowledge source beside it.
"""

import ast
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragft.data.collector import Collector
from ragft.data.documents import EXPECTED as EXPECTED_DOCUMENTS
from ragft.data.documents import read_documents
from ragft.data.files import JSON_SUFFIXES, PARQUET_SUFFIXES, read_records, records_by_split
from ragft.data.nq_pages import SHORT_TOKENS, add_page, is_page
from ragft.data.record_files import Fields, Problems, Record
from ragft.errors import ConfigError
from ragft.types import Document, Question, Split, digest

NAME = "natural_questions"
TABLE_SUFFIXES = (".qa.csv", ".qa.tsv")
SUFFIXES = JSON_SUFFIXES + PARQUET_SUFFIXES + TABLE_SUFFIXES
CONTEXT_KINDS = ("positive_ctxs", "negative_ctxs", "hard_negative_ctxs", "ctxs")
EXPECTED = (
    "records of Natural Questions: simplified (document_text, question_text, annotations), NQ-open (question, "
    "answer), DPR (question, answers, positive_ctxs) or KILT (input, output with answer and provenance)"
)


def read(path: Path, documents: Path | None = None) -> Collector:
    """Read a file or a folder of files; ``documents`` is the collection that NQ-open and KILT do not include.

    Raises:
        ConfigError: If a path does not exist, or a collection is needed and not given.
        DataError: With every bad record, or when the questions have no answers.
    """
    collector = Collector(Problems(), name=NAME)
    if documents is not None:
        add_documents(documents, collector)
    read_parts(records_by_split(path, SUFFIXES, collector.problems, _records), collector)
    return collector.finish(path, EXPECTED)


def add_documents(documents: Path, collector: Collector) -> None:
    """Add the collection that lies beside the questions."""
    for document, place in read_documents(documents, collector.problems):
        collector.add_document(document, place)
    collector.problems.raise_if_any(str(documents), EXPECTED_DOCUMENTS)


def read_parts(parts: Iterable[tuple[Split | None, Iterator[Record]]], collector: Collector) -> None:
    """Add the questions of each split, and the pages and passages that come with them.

    Raises:
        ConfigError: If the records bring no documents and there is no collection.
    """
    given = len(collector.documents) > 0
    for split, records in parts:
        for record in records:
            row = Fields(record.value, record.place, collector.problems, "a record of Natural Questions")
            if row.valid:
                _add(row, split, collector)
    if not given and not collector.documents and collector.has_questions and not collector.problems.count:
        raise ConfigError(
            "These questions come without documents: give documents=, the collection to answer them from "
            f"({EXPECTED_DOCUMENTS}). To use them without any, read them with dataset=rows."
        )


def _add(row: Fields, split: Split | None, collector: Collector) -> None:
    if is_page(row):
        add_page(row, split, collector)
    elif any(name in row.values for name in CONTEXT_KINDS):
        _add_dpr(row, split, collector)
    elif "input" in row.values:
        _add_kilt(row, split, collector)
    else:
        _add_open(row, split, collector)


def _records(file: Path, problems: Problems) -> Iterator[Record]:
    return _read_table(file, problems) if file.name.lower().endswith(TABLE_SUFFIXES) else read_records(file, problems)


def _read_table(file: Path, problems: Problems) -> Iterator[Record]:
    """Yield the rows of DPR's tables: a question, a tab, and the answers as Python writes a list."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for number, cells in enumerate(csv.reader(lines, delimiter="\t"), start=1):
                place = f"{file}, record {number}"
                if len(cells) != 2:
                    problems.add(place, f"has {len(cells)} cells, expected question and answers with a tab between")
                    continue
                try:
                    answers = ast.literal_eval(cells[1])
                except (ValueError, SyntaxError, RecursionError, MemoryError):
                    problems.add(place, "has answers that are no list as Python writes it")
                    continue
                yield Record({"question": cells[0], "answers": answers}, place)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.add(str(file), f"cannot be read ({error})")


def _answers(row: Fields, *names: str) -> tuple[str, ...]:
    """Return the answers; having none is a problem, whose message says what such a file is."""
    found = row.problems.count
    answers = tuple(dict.fromkeys(text.strip() for text in row.texts(*names) if text.strip()))
    if not answers and row.problems.count == found:
        row.problems.add(
            row.place,
            f"has no answer (field {names[0]!r}); a test set without answers cannot be trained on or evaluated",
        )
    return answers


def _question(
    row: Fields,
    text: str,
    answers: tuple[str, ...],
    split: Split | None,
    documents: tuple[str, ...] = (),
    evidence: tuple[str, ...] = (),
) -> Question:
    short = [answer for answer in answers if len(answer.split()) <= SHORT_TOKENS]
    identifier = row.identifier("id", "example_id", "question_id", required=False)
    return Question(
        id=identifier or f"q-{digest([text, answers])[:16]}",
        text=text,
        references=answers,
        documents=documents,
        evidence=evidence,
        kind="short",
        split=split,
        metadata={"short_answers": short} if short else {},
    )


def _add_open(row: Fields, split: Split | None, collector: Collector) -> None:
    text = row.text("question").strip()
    answers = _answers(row, "answer", "answers")
    collector.add_question(_question(row, text, answers, split), row.place)


def _add_dpr(row: Fields, split: Split | None, collector: Collector) -> None:
    """Add a question of DPR; its answer was found in the first positive passage.

    Each passage is a document. The page's title is the first of the question's documents, so that questions about
    one page stay together although its passages are documents of their own.
    """
    text = row.text("question").strip()
    answers = _answers(row, "answers", "answer")
    positive: list[tuple[str, str, str]] = []
    for name in CONTEXT_KINDS:
        for context in row.children(name, name.removesuffix("s"), required=False):
            if not context.valid:
                continue
            title = context.text("title", required=False).strip()
            body = context.text("text").strip()
            given = context.identifier("passage_id", "psg_id", "id", required=False)
            identifier = given or f"passage-{digest([title, body])[:16]}"
            if body:
                collector.add_document(Document(identifier, title, (body,)), context.place, shared=True)
                if name == "positive_ctxs":
                    positive.append((identifier, title, body))
    documents: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    if positive:
        identifier, title, body = positive[0]
        documents = tuple(name for name in dict.fromkeys((title, identifier)) if name)
        evidence = (body,)
    collector.add_question(_question(row, text, answers, split, documents, evidence), row.place)


def _add_kilt(row: Fields, split: Split | None, collector: Collector) -> None:
    """Add a question of KILT, with the paragraphs that hold the answers where the knowledge source is given."""
    text = row.text("input").strip()
    answers: dict[str, None] = {}
    pages: dict[str, None] = {}
    evidence: dict[str, None] = {}
    found = row.problems.count
    for output in row.children("output", "output", required=False):
        answer = output.text("answer", required=False).strip()
        if answer:
            answers[answer] = None
        for source in output.children("provenance", "provenance", required=False):
            page = source.identifier("wikipedia_id")
            if page:
                pages[page] = None
                evidence.update(dict.fromkeys(_paragraphs(source, collector.documents.get(page), answer)))
    if not answers and row.problems.count == found:
        row.problems.add(
            row.place, "has no answer (field 'output'); a test set without answers cannot be trained on or evaluated"
        )
    question = _question(row, text, tuple(answers), split, tuple(pages), tuple(evidence))
    collector.add_question(question, row.place)


def _paragraphs(source: Fields, page: Document | None, answer: str) -> list[str]:
    """Return the paragraphs of the page that the provenance counts; those with the answer where it counts past them."""
    if page is None or "start_paragraph_id" not in source.values:
        return []
    start, end = source.whole("start_paragraph_id"), source.whole("end_paragraph_id")
    if start is None or end is None:
        return []
    counted = [text.strip() for text in page.paragraphs[max(start, 0) : end + 1]]
    if answer and not any(answer in text for text in counted):
        # Another edition of the knowledge source counts otherwise; the answer says which paragraph is meant.
        counted = [text.strip() for text in page.paragraphs if answer in text][:1]
    return counted
