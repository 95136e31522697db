"""From a data set's name, and where its files are, to documents and questions."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ragft.data import bioasq, entity_questions, natural_questions, qasper, rows, squad
from ragft.data.collector import Collector, Loaded
from ragft.data.documents import EXPECTED as EXPECTED_DOCUMENTS
from ragft.data.documents import documents_of, read_documents
from ragft.data.hub import is_saved, read_hub, read_saved
from ragft.data.record_files import Problems, Record
from ragft.errors import ConfigError
from ragft.types import Dataset, Document, Split

Generators = Mapping[str, Callable[[int], Dataset]]
NO_GENERATORS: Generators = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is read.

    Attributes:
        read: From a path, with documents beside it.
        read_parts: From the splits of the Hugging Face library, about the documents in the collector.
        takes_documents: Whether ``documents=`` may be given.
    """

    read: Callable[[Path, Path | None], Collector]
    read_parts: Callable[[Iterable[tuple[Split | None, Iterator[Record]]], Collector], None]
    expected: str
    takes_documents: bool = True


@dataclass(frozen=True, slots=True)
class HubSource:
    """A data set on the hub: its format, and the configurations of its questions and its documents."""

    format: str = rows.NAME
    questions: str = ""
    documents: str = ""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        qasper.NAME: Format(lambda path, _: qasper.read(path), qasper.read_parts, qasper.EXPECTED, False),
        natural_questions.NAME: Format(
            natural_questions.read, natural_questions.read_parts, natural_questions.EXPECTED
        ),
        bioasq.NAME: Format(bioasq.read, bioasq.read_parts, bioasq.EXPECTED),
        entity_questions.NAME: Format(
            lambda path, _: entity_questions.read(path), entity_questions.read_parts, entity_questions.EXPECTED, False
        ),
        squad.NAME: Format(lambda path, _: squad.read(path), squad.read_parts, squad.EXPECTED, False),
        rows.NAME: Format(rows.read, rows.read_parts, rows.EXPECTED),
    }
)

# Any other data set on the hub is read as rows, in its only configuration.
HUB: Mapping[str, HubSource] = MappingProxyType(
    {
        "rajpurkar/squad": HubSource(squad.NAME),
        "rajpurkar/squad_v2": HubSource(squad.NAME),
        "allenai/qasper": HubSource(qasper.NAME),
        "google-research-datasets/natural_questions": HubSource(natural_questions.NAME),
        "google-research-datasets/nq_open": HubSource(natural_questions.NAME),
        "facebook/kilt_tasks": HubSource(natural_questions.NAME, "nq"),
        "enelpol/rag-mini-bioasq": HubSource(rows.NAME, "question-answer-passages", "text-corpus"),
        "rag-datasets/rag-mini-bioasq": HubSource(rows.NAME, "question-answer-passages", "text-corpus"),
    }
)


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
        _refuse(dataset, path=path)
        return _fetch(dataset, documents)
    raise _unknown(dataset, [*FORMATS, *generators])


def _read(form: Format, dataset: str, path: str, documents: str) -> Loaded:
    if not path:
        raise ConfigError(f"dataset={dataset} needs path=, a file or a folder of {form.expected}.")
    beside = _documents(form, dataset, documents)
    place = Path(path)
    if not place.exists():
        raise ConfigError(f"path={path} does not exist. Give a file or a folder of {form.expected}.")
    if not is_saved(place):
        return form.read(place, beside).loaded()
    collector = Collector(Problems(), name=dataset)
    if beside is not None:
        _add_documents(read_documents(beside, collector.problems), collector, documents)
    form.read_parts(read_saved(place), collector)
    return collector.finish(path, form.expected).loaded()


def _fetch(dataset: str, documents: str) -> Loaded:
    """Read a data set of the hub, its documents from ``documents`` or from a configuration of its own."""
    name, _, configuration = dataset.partition(":")
    source = HUB.get(name, HubSource())
    form = FORMATS[source.format]
    beside = _documents(form, dataset, documents)
    collector = Collector(Problems(), name=dataset)
    if beside is not None:
        _add_documents(read_documents(beside, collector.problems), collector, documents)
    elif source.documents:
        for _, records in read_hub(f"{name}:{source.documents}"):
            _add_documents(documents_of(records, collector.problems), collector, f"{name}:{source.documents}")
    form.read_parts(read_hub(f"{name}:{configuration or source.questions}"), collector)
    return collector.finish(dataset, form.expected).loaded()


def _documents(form: Format, dataset: str, documents: str) -> Path | None:
    if not documents:
        return None
    if not form.takes_documents:
        _refuse(dataset, documents=documents)
    if not Path(documents).exists():
        raise ConfigError(f"documents={documents} does not exist. Give a file or a folder of {EXPECTED_DOCUMENTS}.")
    return Path(documents)


def _add_documents(found: Iterable[tuple[Document, str]], collector: Collector, source: str) -> None:
    for document, place in found:
        collector.add_document(document, place)
    collector.problems.raise_if_any(source, EXPECTED_DOCUMENTS)


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
