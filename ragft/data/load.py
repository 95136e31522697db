"""From a data set's name, and where its files are, to documents and questions."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ragft.data import qasper, rows
from ragft.data.collector import Collector, Loaded
from ragft.data.documents import EXPECTED as EXPECTED_DOCUMENTS
from ragft.data.hub import is_saved, read_hub, read_saved
from ragft.data.records import Problems, Record
from ragft.errors import ConfigError
from ragft.types import Dataset, Split

Generators = Mapping[str, Callable[[int], Dataset]]
NO_GENERATORS: Generators = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is read.

    Attributes:
        read: From a path, and documents beside it where the format takes them.
        add: From the records of one split, as the Hugging Face library gives them.
        takes_documents: Whether ``documents=`` may be given.
    """

    read: Callable[[Path, Path | None], Collector]
    add: Callable[[Iterator[Record], Collector, Split | None], None]
    expected: str
    takes_documents: bool = False


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        qasper.NAME: Format(lambda path, _: qasper.read(path), qasper.read_papers, qasper.EXPECTED),
        rows.NAME: Format(
            rows.read,
            lambda records, collector, split: rows.read_questions(records, collector, split, with_documents=False),
            rows.EXPECTED,
            takes_documents=True,
        ),
    }
)

# The format of data sets on the hub; any other is read as rows.
HUB_FORMATS: Mapping[str, str] = MappingProxyType({"allenai/qasper": qasper.NAME})


def load(
    dataset: str, path: str = "", documents: str = "", *, seed: int = 0, generators: Generators = NO_GENERATORS
) -> Dataset:
    """Return the data set called ``dataset``; see `load_with_account`."""
    return load_with_account(dataset, path, documents, seed=seed, generators=generators).dataset


def load_with_account(
    dataset: str, path: str = "", documents: str = "", *, seed: int = 0, generators: Generators = NO_GENERATORS
) -> Loaded:
    """Return a data set and what was left out of it.

    Args:
        dataset: A format (read from ``path``), a generator, or a name on the Hugging Face hub ("org/name").
        path: A file or a folder, also one written by ``save_to_disk``.
        documents: Documents beside the questions, for the formats that have none of their own.
        seed: Given to generators only.
        generators: Data sets that are made, not read, by name.

    Raises:
        ConfigError: If the name is unknown, or a path is missing, superfluous or leads nowhere.
        DataError: If a file cannot be read, with every bad record.
        PrerequisiteError: If the hub cannot be reached.
    """
    if dataset in generators:
        _refuse(dataset, path=path, documents=documents)
        return Loaded(generators[dataset](seed), {})
    if dataset in FORMATS:
        return _read(FORMATS[dataset], dataset, path, documents)
    if dataset.count("/") == 1 and all(dataset.split("/")):
        _refuse(dataset, path=path, documents=documents)
        name = dataset.partition(":")[0]
        return _add_splits(FORMATS[HUB_FORMATS.get(name, rows.NAME)], dataset, read_hub(dataset))
    raise _unknown(dataset, [*FORMATS, *generators])


def _read(form: Format, dataset: str, path: str, documents: str) -> Loaded:
    if not path:
        raise ConfigError(f"dataset={dataset} needs path=, a file or a folder of {form.expected}.")
    if not form.takes_documents:
        _refuse(dataset, documents=documents)
    place = Path(path)
    if not place.exists():
        raise ConfigError(f"path={path} does not exist. Give a file or a folder of {form.expected}.")
    if documents and not Path(documents).exists():
        raise ConfigError(f"documents={documents} does not exist. Give a file or a folder of {EXPECTED_DOCUMENTS}.")
    if is_saved(place):
        return _add_splits(form, dataset, read_saved(place))
    loaded = form.read(place, Path(documents) if documents else None).loaded()
    return Loaded(Dataset(dataset, loaded.dataset.documents, loaded.dataset.questions), loaded.skipped)


def _add_splits(form: Format, dataset: str, splits: Iterator[tuple[Split | None, Iterator[Record]]]) -> Loaded:
    collector = Collector(Problems(), name=dataset)
    for split, records in splits:
        form.add(records, collector, split)
    return collector.finish(dataset, form.expected).loaded()


def _refuse(dataset: str, **given: str) -> None:
    for name, value in given.items():
        if value:
            raise ConfigError(f"{name}={value} has no use with dataset={dataset}; leave it out.")


def _unknown(dataset: str, names: list[str]) -> ConfigError:
    near = difflib.get_close_matches(dataset, names, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    known = ", ".join(sorted(names))
    return ConfigError(
        f"dataset={dataset} is unknown.{hint} Expected one of {known}, or a name on the Hugging Face hub (org/name)."
    )
