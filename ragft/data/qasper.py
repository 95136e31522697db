"""Qasper: questions about NLP papers, answered by one to three annotators each.

Read from the original layout (an object of papers by id), the Hugging Face copy (columnar or lists of objects),
JSON lines, objects one after the other, and Parquet. Rules of the official scorer where the file leaves a choice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragft.data.collector import Collector
from ragft.data.files import JSON_SUFFIXES, PARQUET_SUFFIXES, find_files, read_records, splits_in_names
from ragft.data.record_files import Fields, Problems, Record, shown
from ragft.types import UNANSWERABLE, Document, Question, Split

NAME = "qasper"
SUFFIXES = JSON_SUFFIXES + PARQUET_SUFFIXES
FLOAT_MARK = "FLOAT SELECTED"
EXPECTED = (
    "papers with id, title, abstract, full_text and qas: an object of papers by id (the original layout), "
    "or one paper a record (Hugging Face copy, JSON lines, Parquet)"
)


def read(path: Path) -> Collector:
    """Read a file, or every JSON and Parquet file of a folder, into documents and questions.

    A document is a paper: abstract, then each section's name and paragraphs, empty ones left out. A question's
    references are the annotators' answers in order, equal ones once; its kind is that of the first annotator's
    answer (unanswerable, extractive, abstractive, yes_no), although annotators may disagree on it. It counts as
    answerable when at least one annotator answered it. Evidence that stands in the paper's text is kept as
    evidence; the rest (figures and tables, marked FLOAT SELECTED, which are not text) goes to the metadata.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: With every bad record, or when there is no paper.
    """
    files = find_files(path, SUFFIXES)
    problems = Problems()
    collector = Collector(problems, name=NAME)
    splits = splits_in_names(files)
    for file in files:
        _read_file(file, splits.get(file), collector, alone=len(files) == 1)
    return collector.finish(path, EXPECTED)


def read_parts(parts: Iterable[tuple[Split | None, Iterator[Record]]], collector: Collector) -> None:
    """Add the papers of the splits of a data set to the collector."""
    for split, records in parts:
        read_papers(records, collector, split)


def read_papers(records: Iterator[Record], collector: Collector, split: Split | None = None) -> None:
    """Add the papers of ``records`` to the collector."""
    for record in records:
        for identifier, paper, place in _papers(record, collector.problems):
            _add_paper(identifier, Fields(paper, place, collector.problems, "a paper"), split, collector)


def _read_file(file: Path, split: Split | None, collector: Collector, *, alone: bool) -> None:
    """Read one file; in a folder, a readable file without any paper is another thing and is left out."""
    records = read_records(file, collector.problems)
    if not alone:
        found = collector.problems.count
        in_memory = list(records)
        readable = collector.problems.count == found
        if readable and not any(_looks_like_papers(record.value) for record in in_memory):
            collector.skip(file, "not papers", len(in_memory))
            return
        records = iter(in_memory)
    read_papers(records, collector, split)


def _looks_like_papers(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return _is_paper(value) or any(isinstance(item, Mapping) and _is_paper(item) for item in value.values())


def _is_paper(value: Mapping[str, Any]) -> bool:
    # A paper may have the id "qas"; then the value under that name is itself a paper.
    found = (value[name] for name in ("qas", "full_text") if name in value)
    return any(not (isinstance(item, Mapping) and _is_paper(item)) for item in found)


def _papers(record: Record, problems: Problems) -> Iterator[tuple[str, object, str]]:
    """Yield id, paper and place of each paper in a record: itself, or all those of an original file."""
    fields = Fields(record.value, record.place, problems, "an object of papers by id, or a paper")
    if _is_paper(fields.values):
        identifier = fields.identifier("id", "paper_id")
        yield identifier, record.value, f"{record.place}, paper {shown(identifier)}"
        return
    if fields.valid and not fields.values:
        problems.add(record.place, "is an empty object, expected papers")
    for identifier, paper in fields.values.items():
        if not identifier.strip():
            problems.add(record.place, "has a paper with a blank id")
        yield identifier, paper, f"{record.place}, paper {shown(identifier)}"


def _add_paper(identifier: str, paper: Fields, split: Split | None, collector: Collector) -> None:
    if not paper.valid:
        return
    paragraphs = [paper.text("abstract", required=False), *_body(paper)]
    document = Document(
        id=identifier,
        title=paper.text("title", required=False),
        paragraphs=tuple(text for text in paragraphs if text.strip()),
    )
    if not document.paragraphs:
        paper.wrong("full_text", "at least one paragraph that is not blank, or an abstract")
    collector.add_document(document, paper.place)
    for question in paper.children("qas", "question"):
        _add_question(question, document, split, collector)


def _body(paper: Fields) -> Iterator[str]:
    """Yield the names and paragraphs of the sections; names of sections without text are left out."""
    for section in paper.children("full_text", "section"):
        paragraphs = [text for text in section.texts("paragraphs") if text.strip()]
        if paragraphs:
            # Nested names are written "Model ::: Encoder"; null for text before the first heading.
            yield section.text("section_name", required=False).replace(" ::: ", ": ")
            yield from paragraphs


def _add_question(question: Fields, document: Document, split: Split | None, collector: Collector) -> None:
    identifier = question.identifier("question_id")
    text = question.text("question").strip()
    answers = [_answer(answer) for answer in _answers(question)]
    if not answers:
        question.problems.add(question.place, "has no answers, expected at least one annotator's")
    evidence = [text.strip() for _, _, texts in answers for text in texts]
    in_text, elsewhere = _divide_evidence(evidence, document)
    metadata: dict[str, Any] = {"bound_to_document": True, "kinds": [kind for kind, _, _ in answers]}
    if elsewhere:
        metadata["evidence_not_in_text"] = elsewhere
    collector.add_question(
        Question(
            id=identifier,
            text=text,
            references=tuple(dict.fromkeys(reference for _, reference, _ in answers)),
            documents=(document.id,),
            evidence=tuple(in_text),
            kind=answers[0][0] if answers else "",
            answerable=any(kind != "unanswerable" for kind, _, _ in answers),
            split=split,
            metadata=metadata,
        ),
        question.place,
    )


def _answers(question: Fields) -> Iterator[Fields]:
    """Yield the annotators' answers: {"answer": {...}} each, or answers as one column of all of them."""
    for annotator in question.children("answers", "answer"):
        yield Fields(annotator.values.get("answer"), annotator.place, annotator.problems, "an answer")


def _answer(answer: Fields) -> tuple[str, str, tuple[str, ...]]:
    """Return kind, text and evidence of one annotator's answer, by the official precedence.

    Unanswerable wins over any content, then spans, then free form, then yes or no: false is the answer "No".
    """
    found = answer.problems.count
    spans = [span for span in answer.texts("extractive_spans") if span.strip()]
    free = answer.text("free_form_answer", required=False)
    yes_no = answer.flag("yes_no")
    evidence = answer.texts("evidence")
    if answer.flag("unanswerable"):
        return "unanswerable", UNANSWERABLE, evidence
    if spans:
        return "extractive", ", ".join(spans).strip(), evidence
    if free.strip():
        return "abstractive", free.strip(), evidence
    if yes_no is not None:
        return "yes_no", "Yes" if yes_no else "No", evidence
    if answer.valid and answer.problems.count == found:
        answer.problems.add(
            answer.place,
            "has none of the fields 'unanswerable', 'extractive_spans', 'free_form_answer', 'yes_no' filled in",
        )
    return "", "", evidence


def _divide_evidence(evidence: Sequence[str], document: Document) -> tuple[list[str], list[str]]:
    """Return the evidence that stands in the document's text, and the rest; each text once."""
    in_text: list[str] = []
    elsewhere: list[str] = []
    for text in dict.fromkeys(text for text in evidence if text):
        stands = not text.startswith(FLOAT_MARK) and any(text in paragraph for paragraph in document.paragraphs)
        (in_text if stands else elsewhere).append(text)
    return in_text, elsewhere
