"""Insert 100,000 passages with vectors: ragft's binary COPY against one INSERT per row.

Both write 1,500 characters and a halfvec(384) per passage into the same server. The peer is measured on fewer rows,
which favours it if at all: its table and index stay small.

    python -m benchmarks.inserting
"""

import argparse
import hashlib
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
from ragft.store.embedded import embedded_dsn, leave_embedded
from ragft.store.passages import write_passages
from ragft.store.server import open_store
from ragft.types import Passage

DIMENSION = 384
TABLE = "CREATE TABLE plain (id text PRIMARY KEY, document text, position int, text text, embedding halfvec)"
ROW = "INSERT INTO plain VALUES (%s, %s, %s, %s, %s)"

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


def row_by_row(dsn: str, passages: Sequence[Passage], vectors: Vectors, *, autocommit: bool) -> float:
    """Return the rows per second of one INSERT per row, each its own transaction or all in one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("DROP TABLE IF EXISTS plain")
        connection.execute(TABLE)
        register_vector(connection)
        connection.autocommit = autocommit
        started = time.perf_counter()
        for passage, vector in zip(passages, vectors, strict=True):
            row = (passage.id, passage.document_id, passage.position, passage.text, HalfVector(vector))
            connection.execute(ROW, row)
        connection.commit()
        return len(passages) / (time.perf_counter() - started)


def copied(home: Path, passages: Sequence[Passage], vectors: Vectors) -> float:
    """Return the rows per second of `write_passages` in the batches that prepare uses, each one transaction."""
    with open_store(None, home) as store:
        started = time.perf_counter()
        for start in range(0, len(passages), PASSAGES_AT_ONCE):
            batch = slice(start, start + PASSAGES_AT_ONCE)
            write_passages(store, passages[batch], vectors[batch], "benchmark")
        seconds = time.perf_counter() - started
        with store.transaction() as cursor:
            cursor.execute("SELECT (SELECT count(*) FROM passages), (SELECT count(*) FROM vectors)")
            written = cursor.fetchone()
        if written != (len(passages), len(passages)):
            raise SystemExit(f"expected {len(passages)} passages and vectors, found {written}")
        return len(passages) / seconds


def main() -> None:
    """Print rows per second of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peer-rows", type=int, default=5_000)
    options = parser.parse_args()
    passages, vectors = make(options.rows)
    few = slice(0, options.peer_rows)
    with tempfile.TemporaryDirectory() as folder:
        dsn = embedded_dsn(Path(folder))
        committed = row_by_row(dsn, passages[few], vectors[few], autocommit=True)
        together = row_by_row(dsn, passages[few], vectors[few], autocommit=False)
        ours = copied(Path(folder), passages, vectors)
        leave_embedded(Path(folder))
    print(f"one INSERT per row, each committed ({options.peer_rows} rows)     {committed:10,.0f} rows/s")
    print(f"one INSERT per row, one transaction ({options.peer_rows} rows)    {together:10,.0f} rows/s")
    print(f"ragft: COPY in batches of {PASSAGES_AT_ONCE} ({options.rows} rows)        {ours:10,.0f} rows/s")
    print(
        f"ratio to one INSERT per row: {ours / committed:.1f}x; to the same in one transaction: {ours / together:.1f}x"
    )


if __name__ == "__main__":
    main()
