"""The user's own questions: one per row, in JSON lines, CSV or Parquet, with documents beside them."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragft.data.collector import Collector
from ragft.data.columns import Roles
from ragft.data.documents import EXPECTED as EXPECTED_DOCUMENTS
from ragft.data.documents import read_documents, split_paragraphs
from ragft.data.files import (
    CSV_SUFFIXES,
    ROW_SUFFIXES,
    as_split,
    find_files,
    read_records,
    splits_in_names,
)
from ragft.data.json_text import parse
from ragft.data.record_files import MOST_BYTES, Fields, Problems, Record, named_places, shown
from ragft.errors import ConfigError
from ragft.types import SPLITS, UNANSWERABLE, Document, Question, Split, digest

NAME = "rows"
QUESTION_NAMES = ("question", "input", "query")
REFERENCE_NAMES = ("references", "reference", "answers", "answer", "expected_output")
DOCUMENT_NAMES = ("documents", "document", "document_ids", "document_id", "doc_id", "relevant_passage_ids")
EVIDENCE_NAMES = ("evidence",)
CONTEXT_NAMES = ("context", "contexts")
KIND_NAMES = ("kind", "type")
ID_NAMES = ("id", "question_id", "_id")
ROLES: Roles = {
    "the question": QUESTION_NAMES,
    "its answer": REFERENCE_NAMES,
    "its documents": DOCUMENT_NAMES,
    "the evidence": EVIDENCE_NAMES,
    "texts that become documents": CONTEXT_NAMES,
    "the kind": KIND_NAMES,
    "the id": ID_NAMES,
    "whether there is an answer": ("answerable",),
    "the split": ("split",),
}
NAMES = tuple(name for names in ROLES.values() for name in names)
NEAR_MISS_DOCUMENTS = 2000
BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
SHORT_TOKENS = 5
NO_NAMES = {"yes", "no", "true", "false"}
EXPECTED = (
    "rows (JSON lines, CSV, TSV, Parquet) with question and answer (or references, a list; an empty one where the "
    "documents hold no answer), and optionally id, documents (ids), evidence, context, kind, answerable, split"
)


def read(path: Path, documents: Path | None = None) -> Collector:
    """Read questions from a file or a folder of files, and the documents beside them.

    In a folder, ``documents.jsonl`` (or .csv, .parquet) or a folder ``documents`` holds the documents unless
    ``documents`` is given, and train, dev and test in the names of the files give the splits unless a row has
    one. A row without documents but with ``context`` (a text or a list of texts) brings its own documents.

    Raises:
        ConfigError: If a path does not exist.
        DataError: With every bad record of questions and documents.
    """
    collector = Collector(Problems(), name=NAME)
    files = find_files(path, ROW_SUFFIXES)
    if path.is_dir():
        beside = _documents_in(path)
        files = [file for file in files if beside is None or not _is_within(file, beside)]
        documents = documents or beside
    if documents is not None:
        for document, place in read_documents(documents, collector.problems):
            collector.add_document(document, place)
        collector.problems.raise_if_any(str(documents), EXPECTED_DOCUMENTS)
    splits = splits_in_names(files)
    with_documents = documents is not None
    for file in files:
        records = read_records(file, collector.problems, MOST_BYTES)
        if is_csv(file):
            records = (Record(decode_cells(record.value), record.place) for record in records)
        read_questions(records, collector, splits.get(file), with_documents=with_documents)
    _account(collector)
    return collector.finish(path, EXPECTED)


def _account(collector: Collector) -> None:
    """Note how many questions have no answer; if none has one, that is a problem: a mistake, or a test set."""
    questions = collector.questions()
    without = sum(not question.answerable for question in questions)
    if collector.problems.count or not without:
        return
    if all(question.references == (UNANSWERABLE,) for question in questions):
        collector.problems.add(
            collector.name,
            f"none of the {without} questions has an answer, and nothing can be learned or scored from these alone",
        )
    else:
        collector.notes.append(
            f"{without} of {len(questions)} questions have no answer in the documents (answerable: false, or an empty "
            "answer): right is whoever says so"
        )


def _documents_in(folder: Path) -> Path | None:
    """Return the documents that lie in the folder of the questions, if any."""
    names = ["documents", *(f"documents{suffix}" for suffix in ROW_SUFFIXES)]
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) > 1:
        raise ConfigError(f"{folder} holds {found[0].name} and {found[1].name}; give documents= to say which is meant.")
    return found[0] if found else None


def _is_within(file: Path, place: Path) -> bool:
    return file == place or place in file.parents


def read_parts(parts: Iterable[tuple[Split | None, Iterator[Record]]], collector: Collector) -> None:
    """Add the questions of the splits of a data set, about the documents that are in the collector already."""
    with_documents = len(collector.documents) > 0
    for split, records in parts:
        read_questions(records, collector, split, with_documents=with_documents)
    _account(collector)


def read_questions(
    records: Iterator[Record], collector: Collector, split: Split | None = None, *, with_documents: bool
) -> None:
    """Add the questions of ``records`` to the collector.

    ``with_documents``: documents were given, so a row may name only those and its context is not used. An id that
    another row of ``records`` has is a problem; files of a folder may each count their rows from 1.
    """
    given: dict[str, tuple[Question, str]] = {}
    for record in records:
        fields = Fields(
            _decode_passage_ids(record.value),
            record.place,
            collector.problems,
            "a row: an object with question and answer",
            NAMES,
        )
        if fields.valid:
            question = _question(fields, split, collector, with_documents=with_documents)
            has_id = fields.value(*ID_NAMES) is not None
            known, place = given.setdefault(question.id, (question, record.place)) if has_id else (question, "")
            if known == question:
                collector.add_question(question, record.place)
            else:
                fields.problems.add(record.place, _taken(question.id, place), "duplicate id")


def _taken(identifier: str, place: str) -> str:
    return (
        f"has the id {shown(identifier)} of another question ({named_places([place], 1)}); give every row an id of its "
        "own, or leave the column out"
    )


def _decode_passage_ids(row: object) -> object:
    """Return a row of the rag-mini data sets with its passage ids as a list; some files write the list as text."""
    ids = row.get("relevant_passage_ids") if isinstance(row, Mapping) else None
    if not isinstance(ids, str) or not ids.lstrip().startswith("["):
        return row
    try:
        return {**row, "relevant_passage_ids": parse(ids)}  # type: ignore[dict-item]
    except ValueError:
        return row


def is_csv(file: Path) -> bool:
    """Return whether the cells of ``file`` are texts that may stand for lists."""
    return file.name.lower().endswith(CSV_SUFFIXES)


def decode_cells(
    row: Mapping[str, Any], references: Sequence[str] = REFERENCE_NAMES, contexts: Sequence[str] = CONTEXT_NAMES
) -> dict[str, Any]:
    """Return a CSV row with its lists and booleans decoded; other text stays text.

    A cell is one text, and where a list may stand, a JSON list of texts is read as one. ``references`` and ``contexts``
    are what the fields of accepted answers and of texts are called.
    """
    lists = {*references, *contexts, *DOCUMENT_NAMES, *EVIDENCE_NAMES}
    plain = {name: name.strip().casefold() for name in row}
    decoded = {name: _as_list(cell) if plain[name] in lists else cell for name, cell in row.items()}
    for name, cell in decoded.items():
        if plain[name] == "answerable" and isinstance(cell, str):
            decoded[name] = BOOLEANS.get(cell.strip().lower(), cell)
    # A cell of CSV cannot be missing: left empty, it is an empty answer.
    answers = [name for name in decoded if plain[name] in references]
    if answers and not any(decoded[name] for name in answers):
        decoded[answers[0]] = ""
    return decoded


def _as_list(cell: str | None) -> str | list[str] | None:
    if not cell or not cell.lstrip().startswith("["):
        return cell
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else cell


def _question(row: Fields, given: Split | None, collector: Collector, *, with_documents: bool) -> Question:
    text = row.text(*QUESTION_NAMES).strip()
    references, answerable = _references(row)
    documents = _documents(row, collector, with_documents=with_documents)
    evidence = tuple(text.strip() for text in row.texts(*EVIDENCE_NAMES) if text.strip())
    split = _split(row) or given
    identifier = row.identifier(*ID_NAMES, required=False)
    kind = row.text(*KIND_NAMES, required=False).strip()
    return Question(
        id=identifier or f"q-{digest([text, references, documents, split])[:16]}",
        text=text,
        references=references,
        documents=documents,
        evidence=evidence,
        kind=kind if kind or answerable else "unanswerable",
        answerable=answerable,
        split=split,
        metadata=short_answers(references) if answerable else {},
    )


def short_answers(references: Sequence[str]) -> dict[str, list[str]]:
    """Return the short answers among references, as metadata of a question: names, not yes or no."""
    short = [text for text in references if len(text.split()) <= SHORT_TOKENS and text.lower() not in NO_NAMES]
    return {"short_answers": short} if short else {}


def _references(row: Fields) -> tuple[tuple[str, ...], bool]:
    """Return the accepted answers, and whether the documents hold one.

    They do not if the row says so, or if its answer is present and empty.
    """
    found = row.problems.count
    answerable = row.flag("answerable")
    references = tuple(dict.fromkeys(text.strip() for text in row.texts(*REFERENCE_NAMES)))
    if row.problems.count > found:
        return (), True
    if any(references):
        if not all(references):
            row.wrong(row.pick(REFERENCE_NAMES)[0], "answers that are not blank")
        return references, answerable is not False
    if answerable is False or (answerable is None and row.value(*REFERENCE_NAMES) is not None):
        return (UNANSWERABLE,), False
    if answerable:
        row.problems.add(row.place, "is answerable and has no answer")
    else:
        names = ", ".join(map(repr, REFERENCE_NAMES))
        row.missing(
            f"has no reference answer, expected one of the fields {names}, empty where the documents hold no answer"
        )
    return (), True


def _documents(row: Fields, collector: Collector, *, with_documents: bool) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(row.identifiers(*DOCUMENT_NAMES)))
    if named:
        for identifier in named:
            if with_documents and not collector.documents.has(identifier):
                row.problems.add(row.place, _missing_document(identifier, collector), "missing document")
        return named
    if with_documents:
        return ()
    brought = []
    for text in row.texts(*CONTEXT_NAMES):
        paragraphs = split_paragraphs(text)
        if paragraphs:
            document = Document(f"context-{digest(paragraphs)[:16]}", "", paragraphs)
            if not collector.documents.has(document.id):
                collector.add_document(document, row.place)
            brought.append(document.id)
    return tuple(dict.fromkeys(brought))


# What people put between names in one cell.
SEPARATORS = (";", "|", ",")


def _missing_document(identifier: str, collector: Collector) -> str:
    count = len(collector.documents)
    # A near miss is only worth a look if the collection is small.
    near = difflib.get_close_matches(identifier, collector.documents.ids(), n=1) if count <= NEAR_MISS_DOCUMENTS else []
    hint = f"; {shown(near[0])} is" if near else ""
    if any(mark in identifier for mark in SEPARATORS):
        hint = '; if these are several, write them as a JSON list: ["one.md", "two.md"]'
    return f"names the document {shown(identifier)}, which is not among the {count} given{hint}"


def _split(row: Fields) -> Split | None:
    name = row.text("split", required=False)
    split = as_split(name) if name.strip() else None
    if name.strip() and split is None:
        row.wrong("split", f"one of {', '.join(SPLITS)}")
    return split
