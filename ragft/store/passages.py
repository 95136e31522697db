"""Passages, their vectors, and the collections made of them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pgvector import HalfVector

from ragft.errors import ConfigError, DataError
from ragft.store.connection import Cursor, Store, replayed
from ragft.store.kill_points import kill_point
from ragft.store.text import from_postgres, to_postgres
from ragft.types import Passage

# A halfvec of more does not fit the 8 kB page in which it is stored inline.
MOST_DIMENSIONS = 4000

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Collection:
    """A frozen set of passages with the vectors of one embedder.

    Attributes:
        embedder: Id of the embedder, which names its weights.
        max_chars: The chunk size that made the passages.
        size: How many passages it has.
        number: Its short name in this store.
    """

    id: str
    embedder: str
    dimension: int
    max_chars: int
    size: int
    number: int


@replayed
def embedded(store: Store, embedder: str, passage_ids: Iterable[str]) -> set[str]:
    """Return those of ``passage_ids`` that have a vector of ``embedder``."""
    numbers = {_number(passage): passage for passage in passage_ids}
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT passage FROM vectors JOIN embedders e ON e.number = embedder WHERE e.id = %s AND passage = ANY(%s)",
            [to_postgres(embedder), list(numbers)],
        )
        return {numbers[number] for (number,) in cursor}


@replayed
def write_passages(store: Store, passages: Sequence[Passage], vectors: Vectors, embedder: str) -> None:
    """Write ``passages`` with their ``vectors`` (n x d) in one transaction; what is already there stays as it is.

    Raises:
        DataError: If a vector is zero or not finite.
        ConfigError: If the shape does not fit, or the store knows ``embedder`` with another dimension.
    """
    _check_vectors(passages, vectors)
    if not passages:
        return
    rows = {_number(passage.id): row for row, passage in enumerate(passages)}
    with store.transaction() as cursor:
        _write_texts(cursor, passages)
        by = _embedder(cursor, embedder, vectors.shape[1])
        cursor.execute("SELECT passage FROM vectors WHERE embedder = %s AND passage = ANY(%s)", [by, list(rows)])
        new = sorted(rows.keys() - {number for (number,) in cursor})
        with cursor.copy("COPY vectors (embedder, passage, embedding) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "int8", "halfvec"])
            for number in new:
                copy.write_row((by, number, HalfVector(vectors[rows[number]])))
        kill_point("prepare.embed")


@replayed
def write_texts(store: Store, passages: Sequence[Passage]) -> None:
    """Write ``passages`` without vectors in one transaction; what is already there stays as it is."""
    with store.transaction() as cursor:
        _write_texts(cursor, passages)


@replayed
def freeze_collection(store: Store, collection: str, passage_ids: Sequence[str], embedder: str, max_chars: int) -> None:
    """Make the collection of these passages, all of which must be embedded; one that is already there stays.

    Raises:
        DataError: If a passage has no vector of ``embedder``.
    """
    numbers = list({_number(passage) for passage in passage_ids})
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO collections (id, embedder, max_chars, size) SELECT %s, number, %s, %s FROM embedders "
            "WHERE id = %s ON CONFLICT DO NOTHING RETURNING number, embedder",
            [collection, max_chars, len(numbers), to_postgres(embedder)],
        )
        made = cursor.fetchone()
        if made is None and _find_collection(cursor, collection):
            return
        cursor.execute(
            "INSERT INTO members (collection, passage, embedding) SELECT %s, passage, embedding FROM vectors "
            "WHERE embedder = %s AND passage = ANY(%s)",
            [*(made or (None, None)), numbers],
        )
        if cursor.rowcount < len(numbers):
            raise DataError(
                f"collection {collection}: {len(numbers) - cursor.rowcount} of {len(numbers)} passages have no vector "
                f"of {embedder}; embed them before the collection is frozen"
            )
        kill_point("prepare.freeze")


@replayed
def find_collection(store: Store, collection: str) -> Collection | None:
    """Return the collection with this id, or None."""
    with store.transaction() as cursor:
        return _find_collection(cursor, collection)


def require_collection(store: Store, collection: str) -> Collection:
    """Return the collection with this id.

    Raises:
        ConfigError: If there is none.
    """
    found = find_collection(store, collection)
    if found is None:
        raise ConfigError(f"there is no collection {collection} in the store at {store.place}; run prepare first")
    return found


@replayed
def collection_passages(store: Store, collection: str) -> list[Passage]:
    """Return the passages of ``collection`` in the order of document and position."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT p.id, p.document, p.position, p.text FROM collections c JOIN members m ON m.collection = c.number "
            "JOIN passages p ON p.number = m.passage WHERE c.id = %s "
            'ORDER BY p.document COLLATE "C", p.position, p.number',
            [collection],
        )
        return [passage_of(*row) for row in cursor]


@replayed
def load_passages(store: Store, passage_ids: Iterable[str]) -> dict[str, Passage]:
    """Return those of ``passage_ids`` that are there, by id."""
    with store.transaction() as cursor:
        cursor.execute("SELECT id, document, position, text FROM passages WHERE id = ANY(%s)", [list(passage_ids)])
        return {row[0]: passage_of(*row) for row in cursor}


def _number(passage_id: str) -> int:
    """Return 63 bits of the id's sha256: a short name that is the same in every store."""
    return int.from_bytes(hashlib.sha256(passage_id.encode()).digest()[:8], "big") >> 1


def passage_of(passage_id: str, document: str, position: int, text: str) -> Passage:
    """Return the passage of a row of the table."""
    return Passage(passage_id, from_postgres(document), position, from_postgres(text))


def _find_collection(cursor: Cursor, collection: str) -> Collection | None:
    cursor.execute(
        "SELECT c.id, e.id, e.dimension, c.max_chars, c.size, c.number FROM collections c "
        "JOIN embedders e ON e.number = c.embedder WHERE c.id = %s",
        [collection],
    )
    row = cursor.fetchone()
    return None if row is None else Collection(row[0], from_postgres(row[1]), *row[2:])


def _write_texts(cursor: Cursor, passages: Sequence[Passage]) -> None:
    # Writers take turns until they commit, so that what is not there now can be copied straight into the tables.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.passages'))")
    by_number = {_number(passage.id): passage for passage in passages}
    cursor.execute("SELECT number FROM passages WHERE number = ANY(%s)", [list(by_number)])
    new = sorted(by_number.keys() - {number for (number,) in cursor})
    with cursor.copy("COPY passages (number, id, document, position, text) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int8", "text", "text", "int4", "text"])
        for number in new:
            passage = by_number[number]
            document, text = to_postgres(passage.document_id), to_postgres(passage.text)
            copy.write_row((number, passage.id, document, passage.position, text))


def _embedder(cursor: Cursor, embedder: str, dimension: int) -> int:
    """Return the number of ``embedder``, registering it where necessary."""
    cursor.execute(
        "INSERT INTO embedders (id, dimension) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [to_postgres(embedder), dimension],
    )
    row = cursor.execute("SELECT number, dimension FROM embedders WHERE id = %s", [to_postgres(embedder)]).fetchone()
    if row is None or row[1] != dimension:
        raise ConfigError(
            f"embedder {embedder} gives {dimension} dimensions, but its vectors in the store have {row and row[1]}; "
            "use the embedder that prepared the data, or another home"
        )
    return int(row[0])


def _check_vectors(passages: Sequence[Passage], vectors: Vectors) -> None:
    if vectors.ndim != 2 or len(vectors) != len(passages):
        raise ConfigError(f"{len(passages)} passages need as many vectors; got the shape {vectors.shape}")
    if not 1 <= vectors.shape[1] <= MOST_DIMENSIONS:
        raise ConfigError(f"vectors have {vectors.shape[1]} dimensions; the store holds 1 to {MOST_DIMENSIONS}")
    problems = bad_vectors(vectors, [f"passage {p.id} of document {p.document_id!r}" for p in passages])
    if problems:
        raise DataError("a vector that is zero or not finite cannot be searched; nothing was written", problems)


def bad_vectors(vectors: Vectors, names: Sequence[str]) -> list[str]:
    """Return a line for each vector that half precision would make zero or not finite."""
    with np.errstate(over="ignore"):
        half = vectors.astype(np.float16)
    finite = np.asarray(np.isfinite(half).all(axis=1))
    usable = np.asarray(finite & half.any(axis=1))
    return [
        f"{names[row]}: {'zero' if finite[row] else 'not finite'}: {vectors[row][:4]}..."
        for row in map(int, np.flatnonzero(~usable))
    ]
