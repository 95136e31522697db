"""The sheet on which people grade answers without knowing whose they are, written as CSV and read back."""

import csv
import hashlib
import hmac
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragft.data.tables import cell
from ragft.errors import ConfigError, DataError
from ragft.judging.g_eval import Item
from ragft.prompts.criterion import Criterion
from ragft.types import digest

ROW, ANNOTATOR = "row", "annotator"
SHOWN = ("question", "reference", "passages", "answer")
NOTHING = frozenset({"", "-", "na", "n/a", "nan", "none", "?"})
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
LONGEST_CELL = 10_000_000
ROW_ID = re.compile(r"r[0-9a-f]{12}")
NUMBER = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{1,9})?")
# What spreadsheet programs turn 3/4 or 1-2 into: 2026-03-04, 03.04.2026, 3-Apr.
DATE = re.compile(r"[0-9]+[-./ ][0-9]+[-./ ][0-9]|[0-9]+[-. ]+[A-Za-z]{3}|[A-Za-z]{3}[-. ]+[0-9]")


@dataclass(frozen=True, slots=True)
class Ratings:
    """What people wrote.

    Attributes:
        annotators: In the order of the numbers.
        numbers: Criterion -> row id -> one number (or None) for each annotator.
    """

    annotators: tuple[str, ...]
    numbers: Mapping[str, Mapping[str, tuple[float | None, ...]]]


def row_id(secret: bytes, item: Item, *, again: bool = False) -> str:
    """Return the id of an item on the sheet: "r" and 12 hex digits that say nothing about where it came from.

    An item that is there ``again``, to see what a person says of it the second time, has another id.
    Without the letter a spreadsheet program would save some of them as numbers (123e45 becomes 1.23E+47).
    """
    content = digest([item.question, item.answer, item.references, item.passages])
    return "r" + hmac.new(secret, f"sheet {'again ' * again}{content}".encode(), hashlib.sha256).hexdigest()[:12]


def columns_of(criteria: Sequence[Criterion]) -> tuple[str, ...]:
    """Return the headings of the sheet; those of the criteria explain their labels."""
    return ROW, *SHOWN, *(_head(criterion) for criterion in criteria), ANNOTATOR


def row_of(secret: bytes, item: Item, criteria: Sequence[Criterion], *, again: bool = False) -> tuple[str, ...]:
    """Return the cells of an item, in the order of the columns; nobody has graded it yet."""
    shown = (item.question, "\nor: ".join(item.references), "\n\n".join(item.passages), item.answer)
    return row_id(secret, item, again=again), *map(cell, shown), *[""] * len(criteria), ""


def write_sheet(
    path: Path, items: Sequence[Item], criteria: Sequence[Criterion], secret: bytes, *, most: int = 0
) -> int:
    """Write the sheet and return its number of rows, of at most ``most`` items (0: all), chosen by their keyed ids.

    Equal items are one row. Rows are ordered by the keyed ids, so the order shows neither side, context nor
    rank, and the same items give the same sheet. The column headings explain the labels.

    Raises:
        ConfigError: If another file is already there, perhaps a sheet with ratings.
    """
    rows = {row_id(secret, item): item for item in items}
    chosen = sorted(rows.items())[: most or None]
    write_rows(path, [row_of(secret, item, criteria) for _, item in chosen], criteria)
    return len(chosen)


def write_rows(path: Path, rows: Sequence[Sequence[str]], criteria: Sequence[Criterion]) -> None:
    """Write a sheet of these rows, each by `row_of`.

    Raises:
        ConfigError: If another file is already there, perhaps a sheet with ratings.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns_of(criteria))
    writer.writerows(rows)
    # The byte order mark makes spreadsheet programs read UTF-8.
    content = text.getvalue().encode("utf-8-sig", "replace")
    if path.exists() and path.read_bytes() != content:
        raise ConfigError(f"sheet is {path}, where another file is that people may have written in: name a new one")
    path.write_bytes(content)


def read_sheets(paths: Sequence[Path], criteria: Sequence[Criterion]) -> Ratings:
    """Return the ratings of filled-in sheets: one sheet per person, or one with a column that says who.

    Cells hold a label of the criterion; an empty cell, "-" or "n/a" is no rating.

    Raises:
        DataError: Naming each cell that is not a label, each row without its id, each missing column, and each row that
            one person rated twice.
    """
    heads = {_head(criterion): criterion for criterion in criteria}
    found: dict[str, dict[str, dict[str, float]]] = {criterion.name: {} for criterion in criteria}
    annotators: dict[str, None] = {}
    problems: list[str] = []
    for path in paths:
        for line, cells in csv_rows(path, [ROW, *heads], problems):
            person = (cells.get(ANNOTATOR) or "").strip() or path.stem
            annotators[person] = None
            for head, criterion in heads.items():
                text = (cells[head] or "").strip()
                if text.lower() in NOTHING:
                    continue
                place = f"{path}, line {line}, {criterion.name}"
                label = _label(text, criterion)
                if not ROW_ID.fullmatch(cells[ROW] or ""):
                    problems.append(f"{place}: row is {cells[ROW] or ''!r}, expected the id that the sheet gave it")
                elif label is None:
                    date = ", not a date, which a spreadsheet program made of it" if DATE.search(text) else ""
                    problems.append(f"{place}: {text!r}, expected one of {', '.join(criterion.scores)}{date}")
                elif person in found[criterion.name].setdefault(cells[ROW], {}):
                    problems.append(f"{place}: {person} rated row {cells[ROW]} twice")
                else:
                    found[criterion.name][cells[ROW]][person] = criterion.scores[label]
    if problems:
        raise DataError("the sheet cannot be read", problems)
    return Ratings(
        tuple(annotators),
        {
            name: {row: tuple(given.get(person) for person in annotators) for row, given in rows.items() if given}
            for name, rows in found.items()
        },
    )


def _label(text: str, criterion: Criterion) -> str | None:
    """Return the label that a cell holds; a number stands for the same number: 4,00 is what became of a 4."""
    # A spreadsheet program writes Yes for yes.
    words = [label for label in criterion.scores if label == text] or [
        label for label in criterion.scores if label.casefold() == text.casefold()
    ]
    if len(words) == 1:
        return words[0]
    number = _as_number(text)
    same = [label for label in criterion.scores if number is not None and _as_number(label) == number]
    return same[0] if len(same) == 1 else None


def _as_number(text: str) -> float | None:
    return float(text.replace(",", ".")) if NUMBER.fullmatch(text) else None


def is_sheet(path: Path) -> bool:
    """Return whether a file is one of our sheets, judging by its columns."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return False
    return {ROW, *SHOWN} <= set(next((cells.keys() for _, cells in csv_rows(path, [ROW], [])), ()))


def _head(criterion: Criterion) -> str:
    legend = " / ".join(f"{label} = {criterion.meanings[label]}" for label in criterion.scores)
    return f"{criterion.name} ({legend})"


def _decoded(content: bytes) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 where its first bytes say so ("Unicode text")."""
    return content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")


def csv_rows(path: Path, columns: Sequence[str], problems: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Return (line, column -> cell) of each row of a CSV file, separated by commas, semicolons or tabs.

    A file that lacks one of ``columns`` is added to the problems and has no rows; so is each row with more cells than
    there are headings, which is left out: which cell belongs to which heading is not known.

    Raises:
        DataError: If it cannot be read as CSV in UTF-8 or UTF-16.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}; expected CSV in UTF-8") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read: {error}; expected CSV in UTF-8: in a spreadsheet program, save it as CSV UTF-8"
        ) from error
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        # In half of Europe, spreadsheet programs separate cells with semicolons.
        heads = {mark: next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), []) for mark in ",;\t"}
        separator = max(heads, key=lambda mark: (len(set(columns) & set(heads[mark])), len(heads[mark])))
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            problems.append(
                f"{path}: no column {', '.join(map(repr, missing))}; it has {list(reader.fieldnames or ())}"
            )
            return []
        rows = []
        for cells in reader:
            if None in cells:  # DictReader's key for cells beyond the headings
                problems.append(
                    f"{path}, line {reader.line_num} has {len(cells) - 1 + len(cells[None])} cells, the heading "
                    f"{len(reader.fieldnames or ())}: put a cell that holds {separator!r} in quotes"
                )
            else:
                rows.append((reader.line_num, cells))
        return rows
    except csv.Error as error:
        raise DataError(f"{path} is no CSV: {error}") from error
    finally:
        csv.field_size_limit(before)
