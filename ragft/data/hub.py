"""Data sets that the Hugging Face library reads: from the hub by name, or saved with ``save_to_disk``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ragft.data.files import as_split
from ragft.data.record_files import Record
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.types import Split

SAVED_MARKS = ("dataset_dict.json", "state.json")
# Where the hub keeps its own conversion of data sets whose loading script no longer runs.
CONVERTED = "refs/convert/parquet"
SCRIPT_MESSAGE = "Dataset scripts are no longer supported"


def is_saved(path: Path) -> bool:
    """Return whether ``path`` is a folder written by ``save_to_disk``."""
    return any((path / mark).is_file() for mark in SAVED_MARKS)


def read_hub(name: str) -> Iterator[tuple[Split | None, Iterator[Record]]]:
    """Yield each split of the hub's data set ``org/name`` or ``org/name:configuration``.

    Raises:
        PrerequisiteError: If the hub cannot be reached or does not have it.
        ConfigError: If the data set has several configurations and none, or an unknown one, is named.
    """
    repository, _, configuration = name.partition(":")
    return _splits(_download(repository, configuration or None), name)


def read_saved(path: Path) -> Iterator[tuple[Split | None, Iterator[Record]]]:
    """Yield each split of a folder written by ``save_to_disk``.

    Raises:
        DataError: If the folder is not whole.
    """
    import datasets

    try:
        return _splits(datasets.load_from_disk(str(path)), str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a folder of save_to_disk: {error!r}. Save it again.") from error


def _download(repository: str, configuration: str | None) -> Any:  # noqa: ANN401 - the library is untyped
    import datasets

    try:
        try:
            return datasets.load_dataset(repository, configuration)
        except RuntimeError as error:
            if SCRIPT_MESSAGE not in str(error):
                raise
            return datasets.load_dataset(repository, configuration, revision=CONVERTED)
    except OSError as error:
        raise PrerequisiteError(
            f"dataset={repository} could not be fetched from the Hugging Face hub ({_first_line(error)}). "
            "Without network, download its files elsewhere and give path=<file or folder> "
            "with dataset=<the name of its format>."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"dataset={repository} cannot be read as it is: {_first_line(error)}. "
            "Name a configuration as dataset=org/name:configuration."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _splits(loaded: Any, name: str) -> Iterator[tuple[Split | None, Iterator[Record]]]:  # noqa: ANN401
    tables = dict(loaded) if isinstance(loaded, Mapping) else {"": loaded}
    named = {table: as_split(table) for table in tables}
    # As with names of files: a lone split is a data set to be split.
    given = "train" in named.values() and len({split for split in named.values() if split}) > 1
    for table, rows in tables.items():
        yield (named[table] if given else None), _records(rows, f"{name} {table}".strip())


def _records(rows: Any, place: str) -> Iterator[Record]:  # noqa: ANN401
    for number, row in enumerate(rows, start=1):
        yield Record(row, f"{place}, record {number}")
