"""BioASQ task B: biomedical questions with ideal and exact answers, documents by URL, and snippets of them.

Read from golden and training files and from submissions. Abstracts are not in these files: documents may be given
beside them; a document without abstract consists of its snippets.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ragft.data.collector import Collector
from ragft.data.documents import EXPECTED as EXPECTED_DOCUMENTS
from ragft.data.documents import read_documents
from ragft.data.files import JSON_SUFFIXES, PARQUET_SUFFIXES, records_by_split
from ragft.data.record_files import Fields, Problems, Record, file_of
from ragft.types import Document, Question, Split

NAME = "bioasq"
SUFFIXES = JSON_SUFFIXES + PARQUET_SUFFIXES
KINDS = {"yesno": "yes_no", "factoid": "factoid", "list": "list", "summary": "summary"}
EXPECTED = (
    "questions of BioASQ task B, {'questions': [...]} with id, type, body, documents, snippets and "
    "ideal_answer or exact_answer (golden and training files have them, test sets do not)"
)
_PUBMED = re.compile(r"^https?://(?:www\.)?(?:ncbi\.nlm\.nih\.gov/pubmed|pubmed\.ncbi\.nlm\.nih\.gov)/(\d+)/?$")


@dataclass(slots=True)
class _Snippets:
    """Snippets of each document: (section, offset, text), a set because batches repeat them."""

    by_document: dict[str, set[tuple[int, int, str]]] = field(default_factory=dict)


def document_id(given: str) -> str:
    """Return the PubMed id of a PubMed URL, and any other id or URL as it is."""
    match = _PUBMED.match(given.strip())
    return match[1] if match else given.strip()


def read(path: Path, documents: Path | None = None) -> Collector:
    """Read a file, or all JSON files of a folder, with abstracts beside them where they are given.

    References are the ideal answers, then the exact answer (synonyms of a factoid, yes or no, a list joined
    by commas). The snippets are the evidence. A question names every document that the file names, even those with
    neither abstract nor snippet; these are counted and are in no collection.

    Raises:
        ConfigError: If a path does not exist.
        DataError: With every bad record, or when the questions have no answers.
    """
    collector = Collector(Problems(), name=NAME)
    if documents is not None:
        add_documents(documents, collector)
    read_parts(records_by_split(path, SUFFIXES, collector.problems), collector)
    return collector.finish(path, EXPECTED)


def add_documents(documents: Path, collector: Collector) -> None:
    """Add abstracts, by PubMed id or URL."""
    for document, place in read_documents(documents, collector.problems):
        collector.add_document(replace(document, id=document_id(document.id)), place)
    collector.problems.raise_if_any(str(documents), EXPECTED_DOCUMENTS)


def read_parts(parts: Iterable[tuple[Split | None, Iterator[Record]]], collector: Collector) -> None:
    """Add the questions of each split, then the documents that consist of snippets."""
    snippets = _Snippets()
    for split, records in parts:
        unanswered: list[str] = []
        answered: list[Fields] = []
        for record in records:
            fields = Fields(record.value, record.place, collector.problems, "an object with questions")
            for question in _questions(fields):
                if question.valid and not _add_question(question, split, collector, snippets):
                    unanswered.append(question.place)
                else:
                    answered.append(question)
        _account(unanswered, len(answered), collector)
        _warn_of_submission(answered, collector)
    _add_snippet_documents(collector, snippets)


def _account(unanswered: list[str], answered: int, collector: Collector) -> None:
    """Leave out single questions without an answer; a file that has no others is a test set, and a problem."""
    if unanswered and not answered:
        collector.problems.add(
            unanswered[0],
            f"has neither ideal_answer nor exact_answer, as {len(unanswered) - 1} more; a test set without answers "
            "cannot be trained on or evaluated, take the golden file that was published after it",
        )
        return
    for place in unanswered:
        collector.skip_at(place, "without answer")


def _warn_of_submission(answered: Sequence[Fields], collector: Collector) -> None:
    """Note a file in which every ideal answer is one text: submissions look like this, golden files have lists."""
    ideal = [question for question in answered if question.values.get("ideal_answer")]
    if ideal and all(isinstance(question.values["ideal_answer"], str) for question in ideal):
        collector.warnings.append(
            f"warning: {file_of(ideal[0].place)} looks like a system's submission, not like a golden file: each of its "
            f"{len(ideal)} ideal answers is one text where golden files have a list; what that system answered would "
            "be taken for right"
        )


def _questions(fields: Fields) -> Iterator[Fields]:
    if "questions" in fields.values:
        yield from fields.children("questions", "question")
    elif "body" in fields.values:
        yield fields
    elif fields.valid:
        fields.wrong("questions", "a list of questions")


def _add_question(row: Fields, split: Split | None, collector: Collector, snippets: _Snippets) -> bool:
    """Add one question and return True, or return False when all that it lacks is an answer."""
    found = row.problems.count
    identifier = row.identifier("id")
    text = row.text("body").strip()
    kind = row.text("type").strip().lower()
    if kind and kind not in KINDS:
        row.wrong("type", f"one of {', '.join(KINDS)}")
    exact = _exact_answer(row, kind)
    references = _references(row, kind, exact)
    evidence, named = _read_snippets(row, snippets)
    documents = dict.fromkeys([*(document_id(given) for given in row.texts("documents") if given.strip()), *named])
    if row.problems.count > found:
        return True
    if not references:
        return False
    known = [question for question in collector.questions_with(identifier) if question.text == text]
    if known:
        # Later editions of the training file revise answers; the first that is read counts.
        collector.skip_at(row.place, "the same question again")
        return True
    metadata: dict[str, Any] = {"exact_answer": exact} if exact else {}
    if kind == "factoid" and exact:
        metadata["short_answers"] = [synonym for entity in exact for synonym in entity]
    question = Question(
        id=identifier,
        text=text,
        references=references,
        documents=tuple(documents),
        evidence=evidence,
        kind=KINDS[kind],
        split=split,
        metadata=metadata,
    )
    collector.add_question(question, row.place)
    return True


def _exact_answer(row: Fields, kind: str) -> list[list[str]]:
    """Return the entities of the exact answer, each with its synonyms; none for a summary.

    Golden files write a list of lists; older ones a flat list, which is the synonyms of one factoid or the
    entities of a list; submissions a text.
    """
    value = row.values.get("exact_answer")
    if kind == "summary" or not value:
        return []
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) or _is_texts(item) for item in value):
        row.wrong("exact_answer", "a text, a list of texts, or a list of lists of texts")
        return []
    if kind == "factoid" and all(isinstance(item, str) for item in value):
        value = [value]
    entities = [[item] if isinstance(item, str) else item for item in value]
    entities = [list(dict.fromkeys(text.strip() for text in entity if text.strip())) for entity in entities]
    entities = [entity for entity in entities if entity]
    if kind == "yesno" and [entity[0].lower() for entity in entities] not in (["yes"], ["no"]):
        row.wrong("exact_answer", "yes or no")
        return []
    return entities


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _references(row: Fields, kind: str, exact: list[list[str]]) -> tuple[str, ...]:
    ideal = [text.strip() for text in row.texts("ideal_answer")]
    short: list[str] = []
    if kind == "yesno":
        short = [entity[0].capitalize() for entity in exact]
    elif kind == "factoid":
        short = [synonym for entity in exact for synonym in entity]
    elif exact:
        short = [", ".join(entity[0] for entity in exact)]
    return tuple(dict.fromkeys(text for text in [*ideal, *short] if text))


def _read_snippets(row: Fields, snippets: _Snippets) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts of the snippets and the ids of their documents, and remember them for the collection.

    A snippet without text still shows that its document is about the question.
    """
    texts: dict[str, None] = {}
    documents: dict[str, None] = {}
    for snippet in row.children("snippets", "snippet", required=False):
        if not snippet.valid:
            continue
        text = snippet.text("text", required=False).strip()
        identifier = document_id(snippet.text("document"))
        if identifier:
            documents[identifier] = None
        if text and identifier:
            section = 0 if snippet.values.get("beginSection") == "title" else 1
            offset = snippet.values.get("offsetInBeginSection")
            place = offset if isinstance(offset, int) else 0
            snippets.by_document.setdefault(identifier, set()).add((section, place, text))
            texts[text] = None
    return tuple(texts), tuple(documents)


def _add_snippet_documents(collector: Collector, snippets: _Snippets) -> None:
    """Add a document of snippets for each that has no abstract: title first, then by place in the abstract."""
    for identifier in sorted(snippets.by_document):
        if collector.documents.has(identifier):
            continue
        ordered = [text for _, _, text in sorted(snippets.by_document[identifier])]
        longer = [
            text for text in dict.fromkeys(ordered) if not any(text in other and text != other for other in ordered)
        ]
        collector.add_document(Document(identifier, "", tuple(longer)), identifier)
    asked = {identifier for question in collector.questions() for identifier in question.documents}
    without = sum(not collector.documents.has(identifier) for identifier in asked)
    if without:
        collector.skip("documents", "named without abstract or snippet", without)
