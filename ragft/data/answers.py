"""Answers that were produced elsewhere, to be judged: rows of input, output, expected_output, context."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ragft.data.files import ROW_SUFFIXES, find_files, read_records
from ragft.data.record_files import MOST_BYTES, Fields, Problems, shown
from ragft.data.rows import DOCUMENT_NAMES, ID_NAMES, decode_cells, is_csv
from ragft.errors import DataError
from ragft.types import digest

INPUT_NAMES = ("input", "question", "query")
OUTPUT_NAMES = ("output", "actual_output", "prediction", "response")
EXPECTED_NAMES = ("expected_output", "references", "reference", "expected", "answers", "answer")
CONTEXT_NAMES = ("context", "contexts", "retrieval_context", "retrieved_contexts")
NAMES = (*INPUT_NAMES, *OUTPUT_NAMES, *EXPECTED_NAMES, *CONTEXT_NAMES, *ID_NAMES, *DOCUMENT_NAMES)
EXPECTED = (
    "rows (JSON lines, CSV, Parquet) with input, output, expected_output (a text or a list) and "
    "optionally context (a text or a list), id, documents (ids)"
)


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer of another system, with what it was asked.

    Attributes:
        id: As given, or made from the content.
        output: What the other system answered; an empty text is an answer too.
        expected_output: References, best first; empty when the row has none (then only criteria
            without a reference can be judged).
        context: The texts that the other system was shown.
        documents: Ids of the documents that it is about, the clusters of the statistics.
    """

    id: str
    input: str
    output: str
    expected_output: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


def read_answers(path: Path) -> tuple[AnswerRow, ...]:
    """Read the rows of one file.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: Naming every bad row and rows that share an id, or when there is no row.
    """
    problems = Problems()
    rows: dict[str, AnswerRow] = {}
    for file in find_files(path, ROW_SUFFIXES):
        for row, place in _read_file(file, problems):
            if row.id and row.id in rows:
                problems.add(place, f"has the id {shown(row.id)} of an earlier row", "duplicate id")
            identifier = row.id or _made_id(row, rows)
            rows[identifier] = replace(row, id=identifier)
    problems.raise_if_any(str(path), EXPECTED)
    if not rows:
        raise DataError(f"{path} holds no answer. Expected {EXPECTED}.")
    return tuple(rows.values())


def _made_id(row: AnswerRow, taken: Container[str]) -> str:
    """Return an id made from the content; a repeated row gets its rank appended."""
    identifier = f"a-{digest([row.input, row.output, row.expected_output, row.context])[:16]}"
    rank = 1
    while (numbered := identifier if rank == 1 else f"{identifier}-{rank}") in taken:
        rank += 1
    return numbered


def _read_file(file: Path, problems: Problems) -> Iterator[tuple[AnswerRow, str]]:
    for record in read_records(file, problems, MOST_BYTES):
        value = decode_cells(record.value) if is_csv(file) else record.value
        row = Fields(value, record.place, problems, "a row: an object with input, output and expected_output", NAMES)
        if row.valid:
            yield _answer(row, may_be_absent=is_csv(file)), record.place


def _answer(row: Fields, *, may_be_absent: bool) -> AnswerRow:
    question = row.text(*INPUT_NAMES).strip()
    name, output = row.pick(OUTPUT_NAMES)
    # An empty cell of CSV is an empty answer; elsewhere null is a missing one.
    if not isinstance(output, str) and not (may_be_absent and name in row.values):
        row.wrong(name, "a text, empty when nothing was answered", *(other for other in OUTPUT_NAMES if other != name))
    expected = tuple(dict.fromkeys(text.strip() for text in row.texts(*EXPECTED_NAMES) if text.strip()))
    context = tuple(text for text in row.texts(*CONTEXT_NAMES) if text.strip())
    return AnswerRow(
        id=row.identifier(*ID_NAMES, required=False),
        input=question,
        output=output if isinstance(output, str) else "",
        expected_output=expected,
        context=context,
        documents=row.identifiers(*DOCUMENT_NAMES),
    )
