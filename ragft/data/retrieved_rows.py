"""Passages that another search found for the questions, as its log holds them: rows of a question and a ranking."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragft.data.files import JSON_SUFFIXES, find_files, read_records
from ragft.data.record_files import MOST_BYTES, Fields, Problems, shown
from ragft.data.rows import ID_NAMES
from ragft.types import Passage, Question, digest

QUESTION_NAMES = ("question", "input", "query")
TEXT_NAMES = ("text", "content")
PASSAGE_ID_NAMES = ("id", "passage_id")
DOCUMENT_NAMES = ("document", "document_id", "doc_id")
MOST_BITS = 1000
LISTS = ("passages", "gold", "withheld")
EXPECTED = (
    "JSON lines with id or question, and passages in the order of their rank: a list of objects with text or id, and "
    "optionally document and score (falling); optionally gold and withheld, lists of the same form, and asked_without"
)

Stored = Callable[[Collection[str]], Mapping[str, Passage]]
"""Returns those of some ids that the store holds, with their passages."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a file says of one question.

    Attributes:
        passages: In the order of their rank; empty where the search found nothing.
        gold: Those that hold the evidence, wherever they rank; None where the file does not say.
        withheld: Those to show in the context withheld, in their order; None where the file does not say.
        asked_without: The search found nothing and the question is asked all the same; else it is left out.
    """

    passages: tuple[Passage, ...]
    gold: tuple[Passage, ...] | None = None
    withheld: tuple[Passage, ...] | None = None
    asked_without: bool = False

    def ids(self) -> list[list[str] | None]:
        """Return the ids of each list; None for one that the file does not have."""
        lists = (self.passages, self.gold, self.withheld)
        return [None if listed is None else [passage.id for passage in listed] for listed in lists]


@dataclass(frozen=True, slots=True)
class GivenPassages:
    """The content of a file.

    Attributes:
        rankings: Question id -> what the file says of it.
    """

    rankings: Mapping[str, Ranking]

    @property
    def collection(self) -> str:
        """The id of the collection that these passages are: a hash of the content, whatever its layout and order."""
        said = {
            question: [*ranking.ids(), *(["asked_without"] if ranking.asked_without else [])]
            for question, ranking in self.rankings.items()
        }
        return digest({"given": said})

    def passages(self) -> dict[str, Passage]:
        """Return all passages by id."""
        lists = [each for r in self.rankings.values() for each in (r.passages, r.gold or (), r.withheld or ())]
        return {passage.id: passage for listed in lists for passage in listed}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A passage as it is written: with its text, or by its id alone."""

    id: str
    text: str
    document: str
    place: str


@dataclass(frozen=True, slots=True)
class _Row:
    question: str
    place: str
    lists: Mapping[str, Sequence[_Piece]]
    asked_without: bool


@dataclass(slots=True)
class _Known:
    """What ids can mean: passages of the store, and texts that the same file gives with an id."""

    problems: Problems
    stored: Mapping[str, Passage] = field(default_factory=dict)
    named: dict[str, _Piece] = field(default_factory=dict)


def read_retrieved(path: Path, questions: Sequence[Question], stored: Stored) -> GivenPassages:
    """Read a file or folder of rankings, all of them for ``questions``.

    A passage is what its document and text are; an id stands for the text that the store or the file has under it.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: Naming every bad row: an unknown question, no list of passages, a passage without text whose id
            nobody knows, an id with two texts, a score that is no finite number or rises, a question with two rankings.
    """
    known = _Known(Problems())
    rows = [row for file in find_files(path, JSON_SUFFIXES) for row in _rows(file, questions, known.problems)]
    pieces = [piece for row in rows for listed in row.lists.values() for piece in listed]
    for piece in pieces:
        _name(piece, known)
    known.stored = stored({piece.id for piece in pieces if piece.id})
    rankings: dict[str, Ranking] = {}
    for row in rows:
        found = {name: tuple(_passage(piece, known) for piece in listed) for name, listed in row.lists.items()}
        ranking = Ranking(**{"passages": (), **found}, asked_without=row.asked_without)
        if row.question and rankings.setdefault(row.question, ranking) != ranking:
            known.problems.add(row.place, f"is another ranking for the question {shown(row.question)}; keep one")
    known.problems.raise_if_any(str(path), EXPECTED)
    return GivenPassages(rankings)


def as_row(question: Question, ranking: Ranking, scores: Mapping[str, float]) -> dict[str, Any]:
    """Return a row from which the same ranking is read; ``scores`` are those of its passages by id, where known."""
    row: dict[str, Any] = {"id": question.id, "question": question.text}
    for name in LISTS:
        listed = getattr(ranking, name)
        if listed is not None:
            row[name] = [{"id": p.id, "document": p.document_id, "text": p.text} for p in listed]
    if not ranking.passages:
        row["asked_without"] = True
    last = math.inf
    for given in row["passages"]:
        if given["id"] in scores:
            # Passages are frozen as they were found first, and a score of today can differ in its last digits.
            last = given["score"] = min(last, round(scores[given["id"]], 6))
    return row


def _rows(file: Path, questions: Sequence[Question], problems: Problems) -> Iterator[_Row]:
    ids = {question.id: question for question in questions}
    by_text: dict[str, list[str]] = {}
    for question in questions:
        by_text.setdefault(_plain(question.text), []).append(question.id)
    for record in read_records(file, problems, MOST_BYTES):
        row = Fields(record.value, record.place, problems, "a row: an object with id or question, and passages")
        if not row.valid:
            continue
        if row.values.get("passages") is None:
            row.missing("has no field 'passages' (an empty list where the search found nothing)")
        lists = {name: _pieces(row, name) for name in LISTS if row.values.get(name) is not None}
        yield _Row(_question(row, ids, by_text), record.place, lists, _asked_without(row, lists))


def _asked_without(row: Fields, lists: Mapping[str, Sequence[_Piece]]) -> bool:
    """Return whether a question is asked although nothing was found for it."""
    asked = bool(row.flag("asked_without"))
    if asked and lists.get("passages"):
        row.wrong("asked_without", "true beside an empty list of passages alone")
    return asked


def _question(row: Fields, ids: Mapping[str, Question], by_text: Mapping[str, Sequence[str]]) -> str:
    """Return the id of the question that a row is about, "" (and a problem) where that is none or not one."""
    identifier = row.identifier(*ID_NAMES, required=False)
    text = row.text(*QUESTION_NAMES, required=not identifier)
    if identifier and identifier not in ids:
        row.problems.add(row.place, f"has the id {shown(identifier)}, which no question has", "unknown question id")
        return ""
    if identifier:
        if text and _plain(text) != _plain(ids[identifier].text):
            asked = shown(ids[identifier].text)
            row.problems.add(
                row.place,
                f"has the id {shown(identifier)}, whose question is {asked}, and the question {shown(text)}",
                "id of another question",
            )
        return identifier
    meant = by_text.get(_plain(text), ())
    if text.strip() and len(meant) != 1:
        said = f"which {len(meant)} questions have: give the id" if meant else "which is none of the data"
        row.problems.add(row.place, f"has the question {shown(text)}, {said}", "unknown question")
    return meant[0] if len(meant) == 1 else ""


def _pieces(row: Fields, name: str) -> list[_Piece]:
    pieces, last = [], None
    for given in row.children(name, f"{name} item"):
        if not given.valid:
            continue
        identifier = given.identifier(*PASSAGE_ID_NAMES, required=False)
        text = given.text(*TEXT_NAMES, required=not identifier)
        document = given.identifier(*DOCUMENT_NAMES, required=False)
        score = _score(given)
        if score is not None and last is not None and score > last:
            given.problems.add(
                given.place,
                f"field 'score' is {score:g} after {last:g}: list passages best first, and give scores that fall "
                "(leave out a distance, which rises)",
                "field 'score' rises",
            )
        last = last if score is None else score
        pieces.append(_Piece(identifier, text, document, given.place))
    return pieces


def _score(given: Fields) -> float | None:
    value = given.values.get("score")
    if value is None:
        return None
    # Our reader of JSON refuses NaN and infinities, but a whole number can be beyond every float.
    wrong = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong or (isinstance(value, int) and value.bit_length() > MOST_BITS):
        given.wrong("score", "a finite number or null")
        return None
    return float(value)


def _name(piece: _Piece, known: _Known) -> None:
    """Note the text that an id is given with."""
    if not (piece.id and piece.text.strip()):
        return
    first = known.named.setdefault(piece.id, piece)
    if (first.text, first.document) != (piece.text, piece.document):
        known.problems.add(
            piece.place, f"has the id {shown(piece.id)} of another passage ({first.place})", "id of another passage"
        )


def _passage(piece: _Piece, known: _Known) -> Passage:
    kept, named = known.stored.get(piece.id), known.named.get(piece.id)
    if kept is not None:
        same = piece.document in ("", kept.document_id) and (piece.text == kept.text or not piece.text.strip())
        if not same:
            known.problems.add(
                piece.place,
                f"has the id {shown(piece.id)}, under which the store holds another text or document; leave the id out",
                "id of another passage in the store",
            )
        return kept
    if piece.text.strip():
        return _made(piece)
    if named is None and piece.id:
        known.problems.add(
            piece.place,
            f"has no text, and neither the store nor the file knows the id {shown(piece.id)}",
            "unknown passage id",
        )
    return _made(named or piece)


def _made(piece: _Piece) -> Passage:
    # Where it stands in its document nobody knows: it counts as the first of it.
    return Passage(digest([piece.document, 0, piece.text]), piece.document, 0, piece.text)


def _plain(text: str) -> str:
    return " ".join(text.split())
