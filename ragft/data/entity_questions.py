"""EntityQuestions: short questions about one relation of one entity, answered by names."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragft.data.collector import Collector
from ragft.data.files import JSON_SUFFIXES, PARQUET_SUFFIXES, records_by_split
from ragft.data.record_files import Fields, Problems, Record
from ragft.types import Question, Split, digest

NAME = "entity_questions"
SUFFIXES = JSON_SUFFIXES + PARQUET_SUFFIXES
EXPECTED = "rows of EntityQuestions: a list of objects with question and answers (a list of names)"
_RELATION = re.compile(r"(?:^|[/_.])(P\d+)[/_.]")


def read(path: Path) -> Collector:
    """Read a file, or the folders train, dev and test as they are published.

    The relation in the name of the file (``P17.dev.json``) is the kind of its questions.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: With every bad record.
    """
    collector = Collector(Problems(), name=NAME)
    read_parts(records_by_split(path, SUFFIXES, collector.problems), collector)
    return collector.finish(path, EXPECTED)


def read_parts(parts: Iterable[tuple[Split | None, Iterator[Record]]], collector: Collector) -> None:
    """Add the questions of each split."""
    for split, records in parts:
        for record in records:
            row = Fields(record.value, record.place, collector.problems, "an object with question and answers")
            if row.valid:
                _add(row, split, collector)


def _add(row: Fields, split: Split | None, collector: Collector) -> None:
    found = row.problems.count
    text = row.text("question").strip()
    answers = tuple(dict.fromkeys(answer.strip() for answer in row.texts("answers", "answer") if answer.strip()))
    if not answers and row.problems.count == found:
        row.wrong("answers", "at least one answer that is not blank")
    relation = _RELATION.search(row.place.split(", record ", 1)[0])
    question = Question(
        id=f"q-{digest([text, answers])[:16]}",
        text=text,
        references=answers,
        kind=relation[1] if relation else "",
        split=split,
        metadata={"short_answers": list(answers)},
    )
    collector.add_question(question, row.place)
