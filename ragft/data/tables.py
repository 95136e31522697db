"""CSV and Parquet as records: a row is an object whose fields are the columns."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from ragft.data.record_files import MOST_BYTES, TOO_LONG, Problems, Record, shown

# The csv module refuses cells above 131,072 characters unless told otherwise; a document may be longer.
LONGEST_CELL = MOST_BYTES
PARQUET_BATCH_ROWS = 1000
# Spreadsheet programs execute a cell that begins like this as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What the bytes of a file begin with that a spreadsheet program saved in another way.
ZIP, UTF_16 = b"PK\x03\x04", (b"\xff\xfe", b"\xfe\xff")
SAVE = 'save it as "CSV UTF-8 (comma delimited)"'
SEMICOLONS = (
    "seems to be separated by semicolons, expected commas: where numbers have a decimal comma, spreadsheet programs "
    "write those; save it with commas, or with tabs and the ending .tsv"
)
WORKBOOK = f"is a workbook of a spreadsheet program: {SAVE}"


def cell(value: object) -> str:
    """Return a value as a cell of CSV that a spreadsheet program shows and never executes; None is an empty cell."""
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = value.replace("\x00", "\ufffd")
    return f"'{text}" if text.startswith(FORMULA) else text


def read_csv(path: Path, problems: Problems) -> Iterator[Record]:
    """Yield the rows of a CSV file (tabs in a .tsv); cells are texts, empty cells None.

    The first line names the columns. Rows without any text are left out, and so are columns without a name and
    without any text: spreadsheet programs write both. A row with more or fewer cells than columns is a problem and
    the reading goes on; text that is not UTF-8 and an unclosed quote end the reading of the file.
    """
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        if foreign := _saved_otherwise(path):
            problems.add(str(path), foreign)
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read_csv_rows(path, file, problems)
    except OSError as error:
        problems.add(str(path), f"cannot be opened ({error.strerror})")
    finally:
        csv.field_size_limit(limit)


def _saved_otherwise(path: Path) -> str:
    """Return what a file is whose first bytes no CSV has; "" where it may be one."""
    with path.open("rb") as file:
        start = file.read(len(ZIP))
    if start == ZIP:
        return WORKBOOK
    return f'is UTF-16, as a spreadsheet program saves "Unicode text": {SAVE}' if start.startswith(UTF_16) else ""


def _read_csv_rows(path: Path, file: IO[str], problems: Problems) -> Iterator[Record]:
    reader = csv.reader(_lines(file), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    count, line = 0, 1
    try:
        columns = next(reader, [])
        if not _columns_are_good(path, columns, problems):
            return
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                count += 1
                place = f"{path}, record {count} (line {line})"
                if (row := _row(columns, cells, place, problems)) is not None:
                    yield Record(row, place)
            line = reader.line_num + 1
        if not count:
            problems.add(str(path), "holds no record")
    except csv.Error as error:
        what = TOO_LONG if "field limit" in str(error) else f"is not CSV ({error})"
        problems.add(f"{path}, record {count + 1} (line {line})", what)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        problems.add(f"{path}, after record {count} (line {line})", f"is not UTF-8 (byte {byte:#04x}); {SAVE}")


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield the lines; one that is longer than a cell may be is never held in memory."""
    while line := file.readline(LONGEST_CELL + 1):
        if len(line) > LONGEST_CELL:
            raise csv.Error("a line above the field limit")
        yield line


def _row(columns: list[str], cells: list[str], place: str, problems: Problems) -> dict[str, str | None] | None:
    if len(cells) != len(columns):
        problems.add(
            place, f"has {len(cells)} cells, expected {len(columns)} as in the first line", f"not {len(columns)} cells"
        )
        return None
    nameless = [cell for name, cell in zip(columns, cells, strict=True) if not name.strip() and cell.strip()]
    if nameless:
        problems.add(place, f"has {shown(nameless[0])} in a column without a name", "a column without a name")
    return {name: cell or None for name, cell in zip(columns, cells, strict=True) if name.strip()}


def _columns_are_good(path: Path, columns: list[str], problems: Problems) -> bool:
    found = problems.count
    if not any(name.strip() for name in columns):
        problems.add(str(path), "has no column names in its first line")
    twice = sorted({name for name in columns if name.strip() and columns.count(name) > 1})
    if twice:
        problems.add(str(path), f"has the column {twice[0]!r} twice")
    if len(columns) == 1 and ";" in columns[0]:
        problems.add(str(path), SEMICOLONS)
    return problems.count == found


def read_parquet(path: Path, problems: Problems) -> Iterator[Record]:
    """Yield the rows of a Parquet file, a thousand in memory at a time; nested columns become objects and lists.

    Rows without any value are left out.
    """
    import pyarrow
    import pyarrow.parquet

    count = filled = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS):
                for row in batch.to_pylist():
                    count += 1
                    if not _is_blank(row):
                        filled += 1
                        yield Record(row, f"{path}, record {count}")
        if not filled:
            problems.add(str(path), "holds no record")
    except UnicodeDecodeError as error:
        problems.add(f"{path}, after record {count}", f"is not UTF-8 ({error.reason})")
    except (pyarrow.ArrowException, OSError) as error:
        problems.add(f"{path}, after record {count}", f"is not Parquet ({str(error).splitlines()[0][:120]})")


def _is_blank(row: Mapping[str, object]) -> bool:
    """Return whether a row is what pandas makes of an empty row of a spreadsheet."""
    return all(
        value is None or value != value or (isinstance(value, str) and not value.strip())  # noqa: PLR0124 - NaN
        for value in row.values()
    )
