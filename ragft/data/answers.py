"""Answers that were produced elsewhere, to be scored: rows of input, output, expected_output, context."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragft.data.files import ROW_SUFFIXES, find_files, read_records
from ragft.data.record_files import MOST_BYTES, Fields, Problems, shown
from ragft.data.rows import DOCUMENT_NAMES, ID_NAMES, decode_cells, is_csv
from ragft.errors import DataError
from ragft.folding import normal_form
from ragft.types import UNANSWERABLE, digest

INPUT_NAMES = ("input", "question", "query")
OUTPUT_NAMES = ("output", "actual_output", "prediction", "response")
EXPECTED_NAMES = ("expected_output", "references", "reference", "expected", "answers", "answer")
CONTEXT_NAMES = ("context", "contexts", "retrieval_context", "retrieved_contexts")
NAMES = (
    *INPUT_NAMES, *OUTPUT_NAMES, *EXPECTED_NAMES, *CONTEXT_NAMES, *ID_NAMES, *DOCUMENT_NAMES, "answerable",
)  # fmt: skip
EXPECTED = (
    "rows (JSON lines, CSV, TSV, Parquet) with input, output, expected_output (a text or a list; empty where there is "
    "no answer) and optionally context (a text or a list), id, documents (ids), answerable"
)
# A space of no width and a byte order mark, which no reader sees.
UNSEEN = str.maketrans("", "", "\u200b\ufeff")

MISNAMED = (
    "has no field 'output': what the system answered is called so; 'answer' is a reference, as 'expected_output' is, "
    "so rename it to output"
)


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer of another system, with what it was asked.

    Attributes:
        id: As given, or made from the content.
        output: What the other system answered; an empty text is an answer too.
        expected_output: References, best first; empty when the row has none (then only criteria
            without a reference can be judged) or says, in whatever way, that there is no answer.
        context: The texts that the other system was shown.
        documents: Ids of the documents that it is about, the clusters of the statistics.
        answerable: False where the row says that there is no answer: by ``answerable``, by an empty reference or by
            the reference "Unanswerable"; None where it has no reference and does not say.
        given: False where the row holds no output at all; an empty one is an answer.
        named: Whether the id was given.
    """

    id: str
    input: str
    output: str
    expected_output: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    answerable: bool | None = True
    given: bool = True
    named: bool = False


def plain(text: str) -> str:
    """Return what a reader sees of a text, by which rows are told apart: in NFC, with single blanks."""
    return " ".join(normal_form("NFC", text).translate(UNSEEN).split())


def read_answers(path: Path, *, may_lack: bool = False) -> tuple[AnswerRow, ...]:
    """Read the rows of one file; with ``may_lack``, some may have no output.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: Naming every bad row and rows that share an id, or when there is no row.
    """
    problems = Problems()
    rows: dict[str, AnswerRow] = {}
    for file in find_files(path, ROW_SUFFIXES):
        for row, place in _read_file(file, problems, may_lack=may_lack):
            if row.id and row.id in rows:
                problems.add(place, f"has the id {shown(row.id)} of an earlier row", "duplicate id")
            identifier = row.id or _made_id(row, rows)
            rows[identifier] = replace(row, id=identifier)
    problems.raise_if_any(str(path), EXPECTED)
    if not rows:
        raise DataError(f"{path} holds no answer. Expected {EXPECTED}.")
    if not any(row.given for row in rows.values()):
        names = ", ".join(map(repr, OUTPUT_NAMES))
        raise DataError(f"none of the {len(rows)} rows of {path} has an output, expected one of the fields {names}.")
    return tuple(rows.values())


def _made_id(row: AnswerRow, taken: Container[str]) -> str:
    """Return an id made from the content; a repeated row gets its rank appended."""
    identifier = f"a-{digest([row.input, row.output, row.expected_output, row.context])[:16]}"
    rank = 1
    while (numbered := identifier if rank == 1 else f"{identifier}-{rank}") in taken:
        rank += 1
    return numbered


def _read_file(file: Path, problems: Problems, *, may_lack: bool) -> Iterator[tuple[AnswerRow, str]]:
    for record in read_records(file, problems, MOST_BYTES):
        value = decode_cells(record.value, EXPECTED_NAMES, CONTEXT_NAMES) if is_csv(file) else record.value
        row = Fields(value, record.place, problems, "a row: an object with input, output and expected_output", NAMES)
        if row.valid:
            yield _answer(row, may_be_absent=is_csv(file), may_lack=may_lack), record.place


def _answer(row: Fields, *, may_be_absent: bool, may_lack: bool) -> AnswerRow:
    question = row.text(*INPUT_NAMES).strip()
    name, output = row.pick(OUTPUT_NAMES)
    # An empty cell of CSV is an empty answer; elsewhere null is a missing one.
    empty = may_be_absent and name in row.values
    lacking = output is None and not empty
    misnamed = lacking and _means_output(row)
    if misnamed:
        row.problems.add(row.place, MISNAMED)
    elif not isinstance(output, str) and not empty and not (lacking and may_lack):
        row.wrong(name, "a text, empty when nothing was answered", *(other for other in OUTPUT_NAMES if other != name))
    names = tuple(each for each in EXPECTED_NAMES if each != "answer") if misnamed else EXPECTED_NAMES
    expected = tuple(dict.fromkeys(text.strip() for text in row.texts(*names) if text.strip()))
    context = tuple(text for text in row.texts(*CONTEXT_NAMES) if text.strip())
    answerable = _answerable(row, expected)
    identifier = plain(row.identifier(*ID_NAMES, required=False))
    return AnswerRow(
        id=identifier,
        input=question,
        output=output if isinstance(output, str) else "",
        expected_output=() if answerable is False else expected,
        context=context,
        documents=tuple(filter(None, map(plain, row.identifiers(*DOCUMENT_NAMES)))),
        answerable=answerable,
        given=not lacking,
        named=bool(identifier),
    )


def _means_output(row: Fields) -> bool:
    """Return whether ``answer`` stands beside a reference in a row that has no output."""
    others = (name for name in EXPECTED_NAMES if name != "answer")
    named = any(name in row.values for name in OUTPUT_NAMES)
    return not named and row.value("answer") is not None and row.value(*others) is not None


def _answerable(row: Fields, expected: Sequence[str]) -> bool | None:
    """Return whether the row says that there is an answer; None where it does not say."""
    said = row.flag("answerable")
    if said and not expected:
        row.problems.add(row.place, "is answerable and has no answer")
    if said is not None:
        return said
    if expected:
        return [text.rstrip(".").casefold() for text in expected] != [UNANSWERABLE.casefold()]
    return None if row.value(*EXPECTED_NAMES) is None else False
