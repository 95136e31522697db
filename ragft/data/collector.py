"""What a loader gathers: documents and questions with unique ids, what it left out, and what is wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import cast

from ragft.data.documents_on_disk import DocumentShelf
from ragft.data.record_files import MOST_NAMED, Problems, file_of, named_places, shown
from ragft.errors import DataError
from ragft.types import Dataset, Document, Question, digest


@dataclass(frozen=True, slots=True)
class Loaded:
    """A data set with an account of what was left out of it.

    Attributes:
        skipped: Records left out, by file and reason; a file of which everything was used is not in it.
        places: Where the first skipped records are, by file and reason.
        notes: What a person should know of the data before using them.
        warnings: What may be wrong with them, too.
    """

    dataset: Dataset
    skipped: Mapping[str, Mapping[str, int]]
    places: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the account to be read: a line for each warning, each note, and each reason of leaving out."""
        lines = [*self.warnings, *self.notes]
        for file, reasons in self.skipped.items():
            for reason, count in reasons.items():
                named = self.places.get((file, reason), ())
                where = f": {named_places(named, count)}" if named else ""
                lines.append(f"left out of {file}: {count}, {reason}{where}")
        return lines


class Collector:
    """Gathers the documents and questions of one data set.

    The same document or question twice (a folder that holds two layouts of one file) is kept once and counted
    as skipped. An id that comes twice with different content is a problem for documents; questions that share
    an id get a suffix made from their content, because official files have such ids.
    """

    def __init__(self, problems: Problems, name: str) -> None:
        self.problems = problems
        self.name = name
        self.skipped: dict[str, Counter[str]] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._places: dict[tuple[str, str], list[str]] = {}
        self.documents = DocumentShelf()
        self._questions: dict[str, list[Question]] = {}

    def skip(self, file: object, reason: str, count: int = 1) -> None:
        """Count records that are left out on purpose."""
        self.skipped.setdefault(str(file), Counter())[reason] += count

    def skip_at(self, place: str, reason: str) -> None:
        """Count the record at ``place`` as left out on purpose."""
        file = file_of(place)
        self.skip(file, reason)
        places = self._places.setdefault((file, reason), [])
        if len(places) < MOST_NAMED:
            places.append(place)

    def add_document(self, document: Document, place: str, *, shared: bool = False) -> None:
        """Add a document unless it is already there; a missing id was noted as a problem before.

        ``shared``: questions in this layout repeat their documents, so repeats are not counted.
        """
        if not document.id:
            return
        added = self.documents.add(document)
        if added == "same" and not shared:
            self.skip_at(place, "the same document again")
        elif added == "other":
            self.problems.add(place, f"is another document with the id {shown(document.id)}")

    def add_question(self, question: Question, place: str) -> None:
        """Add a question unless it is already there."""
        known = self._questions.setdefault(question.id, [])
        if question in known:
            self.skip_at(place, "the same question again")
        else:
            known.append(question)

    @property
    def has_questions(self) -> bool:
        """Whether there is any question yet."""
        return bool(self._questions)

    def questions_with(self, identifier: str) -> tuple[Question, ...]:
        """Return the questions that came with this id."""
        return tuple(self._questions.get(identifier, ()))

    def finish(self, source: object, expected: str) -> "Collector":
        """Check what was gathered from ``source``.

        Raises:
            DataError: With every problem, or when there is no question at all.
        """
        self.problems.raise_if_any(str(source), expected)
        if not self._questions:
            raise DataError(f"{source} holds no question. Expected {expected}.")
        return self

    def questions(self) -> tuple[Question, ...]:
        """Return the questions with unique ids, in the order of the file."""
        return tuple(question for sharing in self._questions.values() for question in _apart(sharing))

    def loaded(self) -> Loaded:
        """Return everything gathered."""
        # Documents on disk stand in for the tuple: they are read in the same way, one at a time.
        documents = cast(tuple[Document, ...], self.documents.as_documents())
        dataset = Dataset(self.name, documents, self.questions())
        return Loaded(dataset, self.skipped, self._places, tuple(self.notes), tuple(self.warnings))


def _apart(sharing: Sequence[Question]) -> Sequence[Question]:
    """Return different questions that share an id, each with an id of its own."""
    if len(sharing) == 1:
        return sharing
    marks = [digest([q.text, q.references, q.documents, q.split])[:12] for q in sharing]
    if len(set(marks)) < len(marks):
        marks = [digest(asdict(question))[:12] for question in sharing]
    return [replace(q, id=f"{q.id}-{mark}") for q, mark in zip(sharing, marks, strict=True)]
