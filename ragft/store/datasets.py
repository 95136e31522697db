"""Data sets as they were prepared: enough to load one again by its name, without the path it came from."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast, get_args, overload

from ragft.errors import PrerequisiteError
from ragft.store.connection import Cursor, Store, replayed
from ragft.store.kill_points import kill_point
from ragft.store.text import from_postgres, to_postgres
from ragft.types import Dataset, Document, Question, Split, digest

RECORDS_AT_ONCE = 256
CHARS_AT_ONCE = 16_000_000
# Documents that are larger together stay in the store and are read from there.
MEMORY_BYTES = 200_000_000


class StoredDocuments(Sequence[Document]):
    """Documents in their order, read from the store as they are needed; the store must stay open."""

    def __init__(self, store: Store, keys: tuple[str, ...]) -> None:
        self._store = store
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...

    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        records = self._read(self._keys[index] if isinstance(index, slice) else (self._keys[index],))
        return records if isinstance(index, slice) else records[0]

    def __iter__(self) -> Iterator[Document]:
        for start in range(0, len(self._keys), RECORDS_AT_ONCE):
            yield from self._read(self._keys[start : start + RECORDS_AT_ONCE])

    def _read(self, keys: Sequence[str]) -> list[Document]:
        return _read_documents(self._store, keys)


@dataclass(frozen=True, slots=True)
class Preparation:
    """The result of preparing a data set, from which every later step starts.

    Attributes:
        name: The data set's name.
        dataset: The sha256 of its content.
        settings: Everything else that made it (seed, shares, chunk size, embedder); JSON values only.
        splits: The questions of each split, in their order.
        collections: The id of the passage collection of each split, and of ``all``.
    """

    name: str
    dataset: str
    settings: Mapping[str, Any]
    splits: Mapping[Split, tuple[Question, ...]]
    collections: Mapping[str, str]

    @property
    def key(self) -> str:
        """The hash of the data, its name and the settings: the same inputs give the same preparation."""
        return preparation_key(self.name, self.dataset, self.settings)


def preparation_key(name: str, dataset: str, settings: Mapping[str, Any]) -> str:
    """Return the key that a preparation with these inputs has, 64 hex digits."""
    return digest({"name": name, "dataset": dataset, "settings": dict(settings)})


@replayed
def save_dataset(store: Store, dataset: Dataset) -> None:
    """Write the documents and questions of ``dataset`` in one transaction; what is already there stays."""
    sha = dataset.sha256
    with store.transaction() as cursor:
        documents = _insert_records(cursor, "documents", map(asdict, dataset.documents))
        questions = _insert_records(cursor, "questions", map(asdict, dataset.questions))
        cursor.execute(
            "INSERT INTO datasets (sha, name, documents, questions) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [sha, to_postgres(dataset.name), documents, questions],
        )
        kill_point("prepare.save")


@replayed
def load_dataset(store: Store, sha: str) -> Dataset:
    """Return the data set whose content has this sha256.

    Raises:
        PrerequisiteError: If the store does not hold it.
    """
    with store.transaction() as cursor:
        row = cursor.execute("SELECT name, documents, questions FROM datasets WHERE sha = %s", [sha]).fetchone()
        if row is None:
            raise PrerequisiteError(
                f"the store at {store.place} holds no data set with sha256 {sha}; run prepare on its files first"
            )
        size = cursor.execute(
            "SELECT coalesce(sum(octet_length(record::text)), 0) FROM documents WHERE key = ANY(%s)", [row[1]]
        ).fetchone()
        documents: Sequence[Document] = StoredDocuments(store, tuple(row[1]))
        if size is None or size[0] <= MEMORY_BYTES:
            documents = tuple(documents)
        # Documents that stay in the store are read a batch at a time instead of from a tuple.
        return Dataset(
            name=from_postgres(row[0]),
            documents=cast(tuple[Document, ...], documents),
            questions=tuple(map(_question, _records(cursor, "questions", row[2]))),
        )


@replayed
def save_preparation(store: Store, preparation: Preparation) -> None:
    """Write ``preparation``, whose data set must be there; a known one becomes the latest of its name again."""
    with store.transaction() as cursor:
        questions = {
            split: _insert_records(cursor, "questions", map(asdict, chosen))
            for split, chosen in preparation.splits.items()
        }
        cursor.execute(
            "INSERT INTO preparations (key, name, dataset, settings, splits, collections) "
            "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO UPDATE SET used = clock_timestamp()",
            [
                preparation.key,
                to_postgres(preparation.name),
                preparation.dataset,
                _ascii(dict(preparation.settings)),
                _ascii(questions),
                _ascii(dict(preparation.collections)),
            ],
        )
        kill_point("prepare.save")


@replayed
def find_preparation(store: Store, name: str = "", *, dataset: str = "", key: str = "") -> Preparation | None:
    """Return the latest preparation of this name, data set (sha256) and key, each ignored when empty; None if none."""
    with store.transaction() as cursor:
        row = cursor.execute(
            "SELECT name, dataset, settings::text, splits::text, collections::text FROM preparations "
            "WHERE (%(name)s = '' OR name = %(name)s) AND (%(dataset)s = '' OR dataset = %(dataset)s) "
            "AND (%(key)s = '' OR key = %(key)s) ORDER BY used DESC LIMIT 1",
            {"name": to_postgres(name), "dataset": dataset, "key": key},
        ).fetchone()
        if row is None:
            return None
        splits = {
            split: tuple(map(_question, _records(cursor, "questions", keys)))
            for split, keys in json.loads(row[3]).items()
            if split in get_args(Split)
        }
        return Preparation(from_postgres(row[0]), str(row[1]), json.loads(row[2]), splits, json.loads(row[4]))


@replayed
def prepared_names(store: Store) -> list[str]:
    """Return the sorted names of the data sets that were prepared, for messages."""
    with store.transaction() as cursor:
        return sorted(from_postgres(name) for (name,) in cursor.execute("SELECT DISTINCT name FROM preparations"))


@replayed
def _read_documents(store: Store, keys: Sequence[str]) -> list[Document]:
    with store.transaction() as cursor:
        return list(map(_document, _records(cursor, "documents", list(keys))))


def _insert_records(cursor: Cursor, table: str, records: Iterable[dict[str, Any]]) -> list[str]:
    """Write records, a batch at a time, and return the key of each, in their order."""
    # Writers take turns until they commit, so that two that write the same rows cannot wait for each other in a ring.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.records'))")
    keys: list[str] = []
    for rows in _batches((digest(record), _ascii(record)) for record in records):
        keys += [key for key, _ in rows]
        cursor.executemany(f"INSERT INTO {table} (key, record) VALUES (%s, %s) ON CONFLICT DO NOTHING", rows)
    return keys


def _batches(rows: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Yield keys and records in batches that are small enough not to hold many large documents at once."""
    batch: list[tuple[str, str]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[1])
        if len(batch) == RECORDS_AT_ONCE or size >= CHARS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _records(cursor: Cursor, table: str, keys: list[str]) -> list[dict[str, Any]]:
    """Return the records of ``keys`` in the order of ``keys``."""
    cursor.execute(
        f"SELECT record::text FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (key, rank) "
        f"JOIN {table} USING (key) ORDER BY rank",
        [keys],
    )
    return [json.loads(record) for (record,) in cursor]


def _ascii(value: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return ``value`` as JSON in ASCII, which Postgres can hold whatever text is in it."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def _document(record: dict[str, Any]) -> Document:
    return Document(**{**record, "paragraphs": tuple(record["paragraphs"])})


def _question(record: dict[str, Any]) -> Question:
    listed = {name: tuple(record[name]) for name in ("references", "documents", "evidence")}
    return Question(**{**record, **listed})
