"""Finds passages: by their vectors, by their words, and by both."""

from collections.abc import Mapping, Sequence
from typing import Any

from pgvector import HalfVector
from psycopg import sql

from ragft.errors import ConfigError, DataError
from ragft.store.connection import Cursor, Store, replayed
from ragft.store.indexes import MILLION
from ragft.store.passages import Collection, Vectors, bad_vectors, passage_of, require_collection
from ragft.store.text import to_postgres
from ragft.types import Passage

Ranked = list[list[tuple[Passage, float]]]
# Cormack, Clarke and Buettcher (2009), Reciprocal Rank Fusion.
RRF_K = 60
# Fewer of either ranking would leave out what only one of them finds (Cormack et al. fuse whole rankings).
FUSED = 50
_QUERIES_AT_ONCE = 64
# Neighbours that a search of an HNSW index looks at before it looks for more.
_EF_SEARCH = 200
# A tsvector holds a megabyte, and a character is up to four bytes.
_MOST_CHARACTERS = 100_000


@replayed
def nearest(store: Store, collection: str, vectors: Vectors, k: int, *, approximate: bool = False) -> Ranked:
    """Return for each row of ``vectors`` (n x d) the ``k`` nearest passages with their cosine distance in [0, 2].

    The search is exact over half-precision vectors, or ``approximate`` by the collection's HNSW index, if it has one
    (`ragft.store.indexes`); equal distances are ordered by a hash of the passage id, in the same way in every store.

    Raises:
        ConfigError: If the collection is unknown or has another dimension.
        DataError: If a vector is zero or not finite.
    """
    found = _checked(store, collection, vectors)
    values = {"k": k, "embeddings": [HalfVector(row) for row in vectors]}
    return _search(store, _by_vector(found, approximate=approximate), found, values, approximate=approximate)


@replayed
def by_words(store: Store, collection: str, questions: Sequence[str], k: int, *, language: str) -> Ranked:
    """Return for each question the ``k`` passages that score highest by its words, with their BM25, which is above 0.

    Fewer are found where fewer share a word with the question, none where it has stop words only. The words must be
    indexed (`ragft.store.indexes`). Equal scores are ordered as equal distances are.

    Raises:
        ConfigError: If the collection is unknown.
    """
    found = require_collection(store, collection)
    values = {"k": k, "questions": _read(questions), "language": language}
    ranked = _search(store, _BY_WORDS, found, values)
    return [[(passage, -cost / MILLION) for passage, cost in ranking] for ranking in ranked]


@replayed
def by_both(
    store: Store,
    collection: str,
    questions: Sequence[str],
    vectors: Vectors,
    k: int,
    *,
    language: str,
    approximate: bool = False,
) -> Ranked:
    """Return for each question the ``k`` best of the nearest 50 and the 50 best by words (``k`` where that is more).

    Reciprocal rank fusion: the score of a passage is the sum of 1 / (60 + rank) over the rankings that hold it, ranks
    from 1. Equal scores are ordered as equal distances are.

    Raises:
        ConfigError: If the collection is unknown or has another dimension.
        DataError: If a vector is zero or not finite.
    """
    found = _checked(store, collection, vectors)
    values = {
        "k": k,
        "embeddings": [HalfVector(row) for row in vectors],
        "questions": _read(questions),
        "language": language,
        "candidates": max(k, FUSED),
    }
    ranking = _BY_BOTH.format(by_vector=_by_vector(found, approximate=approximate), by_words=_BY_WORDS)
    ranked = _search(store, ranking, found, values, approximate=approximate)
    return [[(passage, -cost) for passage, cost in ranking] for ranking in ranked]


# A ranking is a query of the passages with what each costs, cheapest first, for one question: the row q of _SEARCH.
_BY_WORDS = sql.SQL("""
    SELECT e.passage, -sum(e.score::bigint * cardinality(t.positions)) AS cost
    FROM unnest(to_tsvector(quote_ident(%(language)s)::regconfig, q.question)) AS t
    JOIN postings w ON w.collection = %(collection)s AND w.language = %(language)s::text AND w.lexeme = t.lexeme
    CROSS JOIN LATERAL unnest(w.passages, w.scores) AS e (passage, score)
    GROUP BY e.passage
    ORDER BY cost, e.passage
""")

# Places are fractions of whole numbers, added up as such: a sum does not depend on the order.
_BY_BOTH = sql.SQL(f"""
    SELECT f.passage, -sum(1.0 / ({RRF_K} + f.place)) AS cost
    FROM (
        SELECT v.passage, row_number() OVER (ORDER BY v.cost, v.passage) AS place
        FROM ({{by_vector}} LIMIT %(candidates)s) v
        UNION ALL
        SELECT w.passage, row_number() OVER (ORDER BY w.cost, w.passage)
        FROM ({{by_words}} LIMIT %(candidates)s) w
    ) f
    GROUP BY f.passage
    ORDER BY cost, f.passage
""")

_SEARCH = sql.SQL("""
    SELECT q.rank, n.cost::float8, p.id, p.document, p.position, p.text
    FROM unnest(%(embeddings)s::halfvec[], %(questions)s::text[]) WITH ORDINALITY AS q (embedding, question, rank)
    CROSS JOIN LATERAL ({ranking} LIMIT %(k)s) n
    JOIN passages p ON p.number = n.passage
    ORDER BY q.rank, n.cost, n.passage
""")


def _by_vector(found: Collection, *, approximate: bool) -> sql.Composable:
    """Return the ranking by distance; the HNSW index serves one that repeats its expression and its condition."""
    if not approximate:
        return sql.SQL(
            "SELECT m.passage, m.embedding <=> q.embedding AS cost FROM members m "
            "WHERE m.collection = %(collection)s ORDER BY cost, m.passage"
        )
    return sql.SQL(
        "SELECT m.passage, m.embedding::halfvec({dimension}) <=> q.embedding AS cost FROM members m "
        "WHERE m.collection = {number} ORDER BY cost"
    ).format(dimension=sql.Literal(found.dimension), number=sql.Literal(found.number))


def _search(
    store: Store,
    ranking: sql.Composable,
    found: Collection,
    values: Mapping[str, Any],
    *,
    approximate: bool = False,
) -> Ranked:
    """Return what a ranking finds for each question: the passages with their cost, cheapest first."""
    statement = _SEARCH.format(ranking=ranking)
    asked = {name: list(values[name]) for name in ("embeddings", "questions") if name in values}
    results: Ranked = [[] for _ in next(iter(asked.values()))]
    for start in range(0, len(results), _QUERIES_AT_ONCE):
        batch = {name: each[start : start + _QUERIES_AT_ONCE] for name, each in asked.items()}
        with store.transaction() as cursor:
            if approximate:
                _use_index(cursor, values["k"])
            nothing: dict[str, list[Any]] = {"embeddings": [], "questions": []}
            cursor.execute(statement, {**nothing, **values, **batch, "collection": found.number})
            for query, cost, *passage in cursor:
                results[start + query - 1].append((passage_of(*passage), cost))
    return results


def _use_index(cursor: Cursor, k: int) -> None:
    """Let the transaction read the HNSW index, as far as it takes to find enough."""
    cursor.execute("SET LOCAL enable_seqscan = off")
    cursor.execute("SET LOCAL enable_sort = off")
    cursor.execute("SET LOCAL hnsw.iterative_scan = strict_order")
    cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(min(1000, max(_EF_SEARCH, 2 * k)))])


def _read(questions: Sequence[str]) -> list[str]:
    """Return the questions as Postgres reads them; of more words than it can read at once, the first."""
    return [to_postgres(question[:_MOST_CHARACTERS]) for question in questions]


def _checked(store: Store, collection: str, vectors: Vectors) -> Collection:
    """Return the collection, in which these vectors can be looked for."""
    found = require_collection(store, collection)
    if vectors.ndim != 2 or vectors.shape[1] != found.dimension:
        raise ConfigError(
            f"query vectors have the shape {vectors.shape}; collection {collection} has {found.dimension} dimensions "
            f"(embedder {found.embedder})"
        )
    if problems := bad_vectors(vectors, [f"query {row}" for row in range(len(vectors))]):
        raise DataError("a vector that is zero or not finite has no neighbours", problems)
    return found
