"""People's numbers from any table (CSV, JSON lines, JSON or Parquet): one row per answer, one column per person."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragft.data.files import CSV_SUFFIXES, read_records
from ragft.data.record_files import Problems, shown
from ragft.errors import ConfigError, DataError
from ragft.judging.g_eval import Item
from ragft.judging.sheet import ANNOTATOR, NOTHING, WORDS, csv_rows
from ragft.lists import entries
from ragft.prompts.criterion import Criterion

QUESTION = ("question", "input", "query", "source")
ANSWER = ("answer", "output", "actual_output", "system_output", "prediction", "response")
REFERENCE = ("reference", "references", "expected_output", "expected", "gold")
PASSAGES = ("passages", "context", "contexts", "retrieval_context", "retrieved_contexts")
GROUP = ("group", "document", "documents", "doc_id", "document_id")
PEOPLE = ("human", "rating", "score", "grade", "label", "correct", "people")
PEOPLE_BEGIN = ("human_", "human.", "rating_", "rater", "annotator_", "person_", "scores.")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; "" finds it by its usual names.

    Attributes:
        people: Column names joined by commas, one per person.
        score: A column with scores that some other judge gave; the judge is then not asked.
    """

    people: str = ""
    score: str = ""
    question: str = ""
    answer: str = ""
    reference: str = ""
    passages: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class RatedTable:
    """What a table says; every list has one entry per row.

    Attributes:
        annotators: Who gave the numbers, in their order.
        people: For each annotator one number (or None) per row.
        items: What can be judged; None without a column of questions and one of answers.
        scores: Numbers of another judge, where a column holds them.
        groups: What each row belongs to; None without such a column.
        words: Number of words of each answer; None without a column of answers.
    """

    annotators: tuple[str, ...]
    people: tuple[tuple[float | None, ...], ...]
    items: tuple[Item, ...] | None
    scores: tuple[float | None, ...] | None
    groups: tuple[str, ...] | None
    words: tuple[int, ...] | None


def read_table(path: Path, columns: Columns, criterion: Criterion) -> RatedTable:
    """Return the rows of a table that people rated under one criterion.

    A person's column holds numbers (the criterion's own, or any others), or yes and no; an empty cell is no
    rating. Rows about one answer by several people, told apart by a column ``annotator``, are joined. In JSON,
    ``outer.inner`` is a field inside another.

    Raises:
        ConfigError: If a column is not there, or what people wrote cannot be found.
        DataError: If the file cannot be read, naming each cell that is no number.
    """
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"{path} holds no row")
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    column_of = {
        part: _named(path, names, part, given, usual)
        for part, given, usual in (
            ("question", columns.question, QUESTION),
            ("answer", columns.answer, ANSWER),
            ("reference", columns.reference, REFERENCE),
            ("passages", columns.passages, PASSAGES),
            ("group", columns.group, GROUP),
            ("score", columns.score, ()),
        )
    }
    people = _people_columns(path, names, columns.people, criterion, taken=set(column_of.values()))
    problems: list[str] = []
    numbers = {
        name: [_number(row.get(name), f"{place}, {name}", problems) for place, row in rows]
        for name in (*people, *([column_of["score"]] if column_of["score"] else []))
    }
    if problems:
        raise DataError("numbers cannot be read", problems)
    plain = [row for _, row in rows]
    annotators, given = people, tuple(tuple(numbers[name]) for name in people)
    kept = list(range(len(plain)))
    if ANNOTATOR in names and len(people) == 1:
        annotators, given, kept = _joined(path, plain, numbers[people[0]], [column_of["question"], column_of["answer"]])
    answers = [_text(plain[i].get(column_of["answer"])) for i in kept] if column_of["answer"] else None
    return RatedTable(
        annotators=annotators,
        people=given,
        items=tuple(_item(plain[i], column_of) for i in kept)
        if column_of["question"] and column_of["answer"]
        else None,
        scores=tuple(numbers[column_of["score"]][i] for i in kept) if column_of["score"] else None,
        groups=tuple(_text(plain[i].get(column_of["group"])) for i in kept) if column_of["group"] else None,
        words=tuple(len(text.split()) for text in answers) if answers is not None else None,
    )


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (place, column -> value) of each row."""
    if path.name.lower().endswith(CSV_SUFFIXES):
        problems: list[str] = []
        for line, cells in csv_rows(path, (), problems):
            yield f"{path}, line {line}", cells
        if problems:
            raise DataError(f"{path} cannot be read", problems)
        return
    unread = Problems()
    for record in read_records(path, unread):
        if isinstance(record.value, dict):
            yield record.place, dict(_flat(record.value))
        else:
            unread.add(record.place, f"is {shown(record.value)}, expected an object")
    unread.raise_if_any(str(path), "rows: objects with the answers and people's numbers")


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner


def _named(path: Path, names: Sequence[str], part: str, given: str, usual: Sequence[str]) -> str:
    """Return the column that was named, else the first with a usual name, else ""."""
    if given and given not in names:
        raise ConfigError(f"{part}_column is {given!r}, which {path} does not have; it has {', '.join(names)}")
    lower = {name.lower(): name for name in reversed(names)}
    return given or next((lower[name] for name in usual if name in lower), "")


def _people_columns(
    path: Path, names: Sequence[str], given: str, criterion: Criterion, taken: set[str]
) -> tuple[str, ...]:
    asked = entries(given)
    if missing := [name for name in asked if name not in names]:
        raise ConfigError(f"human_columns names {', '.join(missing)}, which {path} does not have: {', '.join(names)}")
    own = criterion.name.lower()
    left = [name for name in names if name not in taken]
    of_criterion = [name for name in left if name.lower() == own or name.lower().startswith((f"{own}_", f"{own}."))]
    usual = [name for name in left if name.lower() in PEOPLE or name.lower().startswith(PEOPLE_BEGIN)]
    people = asked or tuple(of_criterion or usual)
    if not people:
        raise ConfigError(
            f"which columns of {path} hold people's numbers under {criterion.name}? Name them with "
            f"-P human_columns=one,two; it has {', '.join(names)}"
        )
    return people


def _joined(
    path: Path, rows: Sequence[Mapping[str, Any]], numbers: Sequence[float | None], parts: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[float | None, ...], ...], list[int]]:
    """Return annotators, their numbers for each answer, and the first row of each answer."""
    first: dict[tuple[str, ...], int] = {}
    given: dict[tuple[int, str], float | None] = {}
    people: dict[str, None] = {}
    problems = []
    for index, row in enumerate(rows):
        kept = first.setdefault(tuple(_text(row.get(part)) for part in parts if part) or (str(index),), index)
        person = _text(row.get(ANNOTATOR)).strip() or path.stem
        people[person] = None
        before, now = given.get((kept, person)), numbers[index]
        if before is not None and now is not None and before != now:
            problems.append(f"row {index + 1}: {person} rated this answer before, with {before:g} and now {now:g}")
        given[kept, person] = before if now is None else now
    if problems:
        raise DataError(f"{path}: one person rates an answer once", problems)
    kept_rows = list(first.values())
    return tuple(people), tuple(tuple(given.get((i, who)) for i in kept_rows) for who in people), kept_rows


def _item(row: Mapping[str, Any], column_of: Mapping[str, str]) -> Item:
    return Item(
        _text(row.get(column_of["question"])),
        _text(row.get(column_of["answer"])),
        _texts(row.get(column_of["reference"])),
        _texts(row.get(column_of["passages"])),
    )


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a cell holds
    return "" if value is None else value if isinstance(value, str) else str(value)


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    listed = value if isinstance(value, list) else [value]
    return tuple(text for text in map(_text, listed) if text.strip())


def _number(value: Any, place: str, problems: list[str]) -> float | None:  # noqa: ANN401
    number = value
    if isinstance(value, str):
        text = value.strip().lower()
        if text in NOTHING:
            return None
        try:
            number = WORDS[text] if text in WORDS else float(text.replace(",", "."))
        except ValueError:
            number = math.inf
    if number is None or (isinstance(number, float) and math.isnan(number)):
        return None
    if isinstance(number, int | float) and math.isfinite(number):
        return float(number)
    problems.append(f"{place}: {shown(value)}, expected a number, yes or no")
    return None
