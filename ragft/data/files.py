"""Which files a path means, how each is read, and which split its name indicates."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ragft.data.json_text import read_json
from ragft.data.record_files import Problems, Record
from ragft.data.tables import WORKBOOK, read_csv, read_parquet
from ragft.errors import ConfigError, DataError
from ragft.types import Split

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
PARQUET_SUFFIXES = (".parquet",)
CSV_SUFFIXES = (".csv", ".tsv")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")
ROW_SUFFIXES = JSON_SUFFIXES + CSV_SUFFIXES + PARQUET_SUFFIXES

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "val": "dev",
    "validation": "dev",
    "test": "test",
    "testing": "test",
    "confirm": "confirm",
    "test_seen": "test_seen",
}
_SPLIT_IN_NAME = re.compile(r"(?:^|[^a-z])(test_seen|train|dev|valid|validation|test|confirm)(?:[^a-z]|$)")

Skipped = dict[str, Counter[str]]
"""How many records of each file were left out, by reason."""


def find_files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return ``path`` itself, or the files below it that end in one of ``suffixes``, sorted; hidden ones left out.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: If the file has another ending, or the folder holds no such file.
    """
    if not path.exists():
        raise ConfigError(f"path={path} does not exist. Give a file or a folder ({', '.join(suffixes)}).")
    if path.is_dir():
        found = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and file.name.lower().endswith(tuple(suffixes))
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        if not found:
            raise DataError(f"The folder {path} holds no file that ends in {', '.join(suffixes)}.")
        return found
    if path.suffix.lower() in WORKBOOK_SUFFIXES:
        raise DataError(f"{path} {WORKBOOK}.")
    if not path.name.lower().endswith(tuple(suffixes)):
        raise DataError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(suffixes)}.")
    return [path]


def read_records(path: Path, problems: Problems, most_bytes: int | None = None) -> Iterator[Record]:
    """Yield the records of one file, read by its extension (JSON when it has none).

    A record of more than ``most_bytes`` is a problem and never held in memory: a user's own data have one question or
    document per record, while an official file may be one single record. A row of CSV never has more than 32 MB.
    """
    name = path.name.lower()
    if name.endswith(CSV_SUFFIXES):
        return read_csv(path, problems)
    if name.endswith(PARQUET_SUFFIXES):
        return read_parquet(path, problems)
    return read_json(path, problems, most_bytes)


def records_by_split(
    path: Path,
    suffixes: Sequence[str],
    problems: Problems,
    read: Callable[[Path, Problems], Iterator[Record]] = read_records,
) -> Iterator[tuple[Split | None, Iterator[Record]]]:
    """Return the records of each file at ``path``, with the split that its name gives (`splits_in_names`).

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: If no file there ends in one of ``suffixes``.
    """
    files = find_files(path, suffixes)
    splits = splits_in_names(files)
    return ((splits.get(file), read(file, problems)) for file in files)


def splits_in_names(files: Sequence[Path]) -> dict[Path, Split]:
    """Return the split that each file's name indicates; nothing unless there are two or more splits, one of them train.

    A single file that happens to be called train.json is a data set to be split, not a split.
    """
    found = {
        file: _SPLIT_NAMES[match[1]]
        for file in files
        if (match := _SPLIT_IN_NAME.search(file.name.lower())) is not None
    }
    given = set(found.values())
    return found if "train" in given and len(given) > 1 else {}


def as_split(name: str) -> Split | None:
    """Return the split that a data set calls ``name`` ("validation" is dev), or None when it is not a split."""
    return _SPLIT_NAMES.get(name.strip().lower())
