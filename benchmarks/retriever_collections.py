"""Questions with judged passages, for `benchmarks.retrievers`: three that come with ragft, and SMART's layout."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragft.analysis.statistics.clusters import cluster
from ragft.data.load import load
from ragft.pocket.world import make_dataset
from ragft.retrieval.chunking import chunk
from ragft.retrieval.metrics import has_evidence
from ragft.types import Dataset, Document, Passage, Question, digest

DATA = Path(__file__).parents[1] / "tests" / "data"


@dataclass(frozen=True)
class Judged:
    """Questions and what they should find.

    Attributes:
        relevant: Question id -> ids of the passages that hold its evidence, at least one.
        clusters: The label of each question; questions about the same documents share one.
    """

    name: str
    passages: Sequence[Passage]
    questions: Sequence[Question]
    relevant: Mapping[str, frozenset[str]]

    @property
    def clusters(self) -> list[str]:
        """The label of each question's connected documents."""
        labels = cluster(self.questions).labels
        return [labels[question.id] for question in self.questions]


def of_postgresql() -> Judged:
    """Return the questions about the PostgreSQL manual, written in other words than its pages."""
    folder = DATA / "postgresql"
    return _of_evidence("PostgreSQL manual", load("rows", str(folder / "questions.jsonl"), str(folder / "documents")))


def of_squad() -> Judged:
    """Return every third answerable question of half of SQuAD 2.0's development set, to all of its paragraphs."""
    return _of_evidence("SQuAD 2.0", load("squad", str(DATA / "squad")), every=3)


def of_telecom(*, codes: bool) -> Judged:
    """Return the test questions of the telecom world, to all of its articles; its products may be called by codes."""
    data = make_dataset(0)
    asked = tuple(q for q in data.questions if q.split == "test")
    data = Dataset(data.name, data.documents, asked)
    named = with_codes(data) if codes else data
    return _of_evidence(f"telecom, products called by {'codes' if codes else 'names'}", named, chunk_chars=400)


def with_codes(data: Dataset) -> Dataset:
    """Return the data with a code such as EC-4172 in place of each product's name, the same wherever it stands."""
    names = sorted({document.title.partition(" (")[0] for document in data.documents}, key=len, reverse=True)
    codes: dict[str, str] = {}
    for name in names:
        letters, salt = "".join(word[0] for word in name.split()).upper(), 0
        while (code := f"{letters}-{1000 + int(digest([name, salt])[:8], 16) % 9000}") in codes.values():
            salt += 1
        codes[name] = code
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))

    def renamed(text: str) -> str:
        return pattern.sub(lambda found: codes[found[0]], text)

    documents = tuple(
        Document(d.id, renamed(d.title), tuple(renamed(paragraph) for paragraph in d.paragraphs))
        for d in data.documents
    )
    questions = tuple(
        replace(q, text=renamed(q.text), evidence=tuple(renamed(piece) for piece in q.evidence)) for q in data.questions
    )
    return Dataset(data.name, documents, questions)


def of_folder(folder: Path) -> Judged:
    """Return a collection in the layout of SMART, in which CACM is distributed: NAME.all, query.text and qrels.text.

    A document is its title and abstract, in one passage; a question is its text; a line of qrels.text begins with the
    numbers of a question and of a document that answers it.
    """
    (file,) = folder.glob("*.all")
    documents = {
        number: "\n".join(filter(None, (fields.get("T", ""), fields.get("W", ""))))
        for number, fields in _smart(file.read_text(encoding="latin-1"))
    }
    passages = {number: Passage(digest([number, text]), str(number), 0, text) for number, text in documents.items()}
    pairs = [line.split()[:2] for line in (folder / "qrels.text").read_text().splitlines() if line.strip()]
    relevant: dict[str, set[str]] = {}
    for question, document in pairs:
        relevant.setdefault(str(int(question)), set()).add(passages[int(document)].id)
    asked = [
        Question(str(number), fields["W"], ("",), (str(number),))
        for number, fields in _smart((folder / "query.text").read_text(encoding="latin-1"))
        if str(number) in relevant
    ]
    kept = [passage for passage in passages.values() if passage.text.strip()]
    return Judged(file.stem.upper(), kept, asked, {name: frozenset(ids) for name, ids in relevant.items()})


def _smart(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the records of a file: their number, and their fields (.T, .W, ...) with white space squeezed."""
    records = re.split(r"^\.I +(\d+) *$", text, flags=re.MULTILINE)[1:]
    found = []
    for number, body in zip(records[::2], records[1::2], strict=True):
        parts = re.split(r"^\.([A-Z]) *$", body, flags=re.MULTILINE)[1:]
        fields = {name: " ".join(value.split()) for name, value in zip(parts[::2], parts[1::2], strict=True)}
        found.append((int(number), fields))
    return found


def _of_evidence(name: str, data: Dataset, chunk_chars: int = 1500, every: int = 1) -> Judged:
    """Return the questions whose evidence is in a passage of their documents, or one of so many, with all passages."""
    by_document = {document.id: chunk(document, chunk_chars) for document in data.documents}
    relevant = {
        question.id: frozenset(
            passage.id
            for document in question.documents
            for passage in by_document[document]
            if has_evidence(passage.text, question.evidence)
        )
        for question in data.questions
        if question.answerable and question.evidence
    }
    asked = [question for question in data.questions if relevant.get(question.id)][::every]
    passages = {passage.id: passage for each in by_document.values() for passage in each}
    return Judged(name, list(passages.values()), asked, {q.id: relevant[q.id] for q in asked})
