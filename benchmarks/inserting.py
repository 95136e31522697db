"""Insert 100,000 passages with vectors: ragft's binary COPY against one INSERT per row.

Both write 1,500 characters and a halfvec(384) per passage into the same server. The peer is measured on fewer rows,
which favours it if at all: its table and index stay small.

    python -m benchmarks.inserting
"""

import argparse
import hashlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from ragft.retrieval.retriever import PASSAGES_AT_ONCE
from ragft.store.connection import Connection, Store
from ragft.store.embedded import embedded_dsn, leave_embedded
from ragft.store.passages import write_passages
from ragft.store.server import open_store
from ragft.types import Passage

DIMENSION = 384
TABLE = "CREATE TABLE {} (id text PRIMARY KEY, document text, position int, text text, embedding halfvec)"
ROW = "INSERT INTO {} VALUES (%s, %s, %s, %s, %s)"

Vectors = npt.NDArray[np.float32]


def make(count: int) -> tuple[list[Passage], Vectors]:
    """Return passages of 1,500 characters of random words, and random vectors of length 1."""
    random = np.random.default_rng(0)
    words = np.array(["".join(map(chr, random.integers(97, 123, size=6))) for _ in range(5000)])
    texts = [" ".join(words[random.integers(0, 5000, size=215)])[:1500] for _ in range(count)]
    drawn = random.normal(size=(count, DIMENSION)).astype(np.float32)
    passages = [
        Passage(hashlib.sha256(text.encode()).hexdigest(), f"d{n // 20}", n, text) for n, text in enumerate(texts)
    ]
    return passages, drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def row_by_row(connection: Connection, table: str, passages: Sequence[Passage], vectors: Vectors) -> float:
    """Return the rows per second of one INSERT per row, each its own transaction or ("together") all in one."""
    connection.autocommit = table != "together"
    insert = ROW.format(table)
    started = time.perf_counter()
    for passage, vector in zip(passages, vectors, strict=True):
        row = (passage.id, passage.document_id, passage.position, passage.text, HalfVector(vector))
        connection.execute(insert, row)
    connection.commit()
    return len(passages) / (time.perf_counter() - started)


def copied(store: Store, passages: Sequence[Passage], vectors: Vectors) -> float:
    """Return the rows per second of `write_passages` in the batches that prepare uses, each one transaction."""
    started = time.perf_counter()
    for start in range(0, len(passages), PASSAGES_AT_ONCE):
        batch = slice(start, start + PASSAGES_AT_ONCE)
        write_passages(store, passages[batch], vectors[batch], "benchmark")
    return len(passages) / (time.perf_counter() - started)


def rounds_of(count: int, rounds: int) -> list[slice]:
    """Return ``rounds`` slices that share out ``count`` rows."""
    bounds = [count * number // rounds for number in range(rounds + 1)]
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


def main() -> None:
    """Print rows per second of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peer-rows", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    passages, vectors = make(options.rows)
    ours, committed, together = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        with open_store(None, Path(folder)) as store, psycopg.connect(embedded_dsn(Path(folder))) as connection:
            register_vector(connection)
            for table in ("committed", "together"):
                connection.execute(TABLE.format(table))
            connection.commit()
            few = rounds_of(options.peer_rows, options.rounds)
            for all_rows, peer_rows in zip(rounds_of(options.rows, options.rounds), few, strict=True):
                ours.append(copied(store, passages[all_rows], vectors[all_rows]))
                for table, taken in (("committed", committed), ("together", together)):
                    taken.append(row_by_row(connection, table, passages[peer_rows], vectors[peer_rows]))
            with store.transaction() as cursor:
                cursor.execute("SELECT (SELECT count(*) FROM passages), (SELECT count(*) FROM vectors)")
                written = cursor.fetchone()
        leave_embedded(Path(folder))
    if written != (options.rows, options.rows):
        raise SystemExit(f"expected {options.rows} passages and vectors, found {written}")
    for name, count, speeds in (
        ("one INSERT per row, each committed", options.peer_rows, committed),
        ("one INSERT per row, one transaction", options.peer_rows, together),
        (f"ragft, COPY in batches of {PASSAGES_AT_ONCE}", options.rows, ours),
    ):
        print(f"{name:38} {count:8,} rows {statistics.median(speeds):10,.0f} rows/s")
    for name, speeds in (("one INSERT per row", committed), ("the same in one transaction", together)):
        ratio = statistics.median(our / peer for our, peer in zip(ours, speeds, strict=True))
        print(f"ratio to {name}, median of {options.rounds} rounds in turn: {ratio:.1f}x")


if __name__ == "__main__":
    main()
