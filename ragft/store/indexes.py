"""What is made of a collection before it is searched by words, or by an approximate index of its vectors."""

import psycopg
from psycopg import sql

from ragft.errors import ConfigError, PrerequisiteError
from ragft.store.connection import Store, first_line, replayed
from ragft.store.passages import Collection, require_collection

# BM25 as Lucene computes it (Kamphuis et al. 2020, Which BM25 do you mean?), with its usual parameters: how soon more
# of a word adds nothing, and how far length counts.
K1, B = 1.2, 0.75
MILLION = 1_000_000
# pgvector's own values for building, and its first version that searches on until there are enough.
_NEIGHBOURS, _CANDIDATES = 16, 64
_ITERATIVE = (0, 8, 0)


@replayed
def languages(store: Store) -> list[str]:
    """Return the names of the server's text search configurations, sorted."""
    with store.transaction() as cursor:
        cursor.execute("SELECT DISTINCT cfgname FROM pg_ts_config WHERE pg_ts_config_is_visible(oid)")
        return sorted(name for (name,) in cursor)


def index_words(store: Store, collection: str, language: str) -> None:
    """Make the inverted index of a collection in one transaction, where it is missing.

    A word is what Postgres' parser and the dictionaries of ``language`` make of the text (`to_tsvector`): stemmed,
    without stop words. Its score in a passage, with tf its count there, df the passages that have it, N passages in
    all, and the length dl of the passage in words, avgdl on average:

        ln(1 + (N - df + .5) / (df + .5)) * tf / (tf + k1 (1 - b + b dl / avgdl))

    Raises:
        ConfigError: If the collection is unknown, or a passage has more words than Postgres indexes (a megabyte).
    """
    found = require_collection(store, collection)
    with store.lock(f"the words of the collection {collection[:12]}"):
        try:
            _index_words(store, found, language)
        except psycopg.errors.ProgramLimitExceeded as error:
            raise ConfigError(
                f"a passage of collection {collection[:12]} has more words than Postgres can index "
                f"({first_line(error)}); use a smaller chunk_chars, or -P retriever=dense"
            ) from error


@replayed
def _index_words(store: Store, found: Collection, language: str) -> None:
    values = {"collection": found.number, "language": language, "k1": K1, "b": B}
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO word_indexes (collection, language) VALUES (%(collection)s, %(language)s) "
            "ON CONFLICT DO NOTHING",
            values,
        )
        if cursor.rowcount:
            cursor.execute("SET LOCAL work_mem = '256MB'")
            cursor.execute(_POSTINGS, values)
            cursor.execute("ANALYZE postings")


_POSTINGS = f"""
    WITH texts AS MATERIALIZED (
        SELECT m.passage, to_tsvector(quote_ident(%(language)s)::regconfig, p.text) AS words
        FROM members m JOIN passages p ON p.number = m.passage
        WHERE m.collection = %(collection)s
    ), sized AS MATERIALIZED (
        SELECT passage, words, (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(words)) AS length
        FROM texts
    ), grouped AS (
        SELECT w.lexeme, array_agg(s.passage ORDER BY s.passage) AS passages,
            array_agg(cardinality(w.positions) ORDER BY s.passage) AS counts,
            array_agg(s.length::float8 ORDER BY s.passage) AS lengths
        FROM sized s CROSS JOIN LATERAL unnest(s.words) AS w
        GROUP BY w.lexeme
    )
    INSERT INTO postings (collection, language, lexeme, passages, scores)
    SELECT %(collection)s, %(language)s, g.lexeme, g.passages, ARRAY(
        SELECT round({MILLION} * ln(1 + (n.passages - cardinality(g.passages) + .5) / (cardinality(g.passages) + .5))
            * e.count / (e.count + %(k1)s * (1 - %(b)s + %(b)s * e.length / n.average)))::integer
        FROM unnest(g.counts, g.lengths) WITH ORDINALITY AS e (count, length, place)
        ORDER BY e.place
    )
    FROM grouped g, (SELECT count(*) AS passages, avg(length)::float8 AS average FROM sized) n
"""


def index_vectors(store: Store, collection: str) -> None:
    """Make the HNSW index of a collection's vectors, where it is missing (Malkov and Yashunin 2018).

    Raises:
        ConfigError: If the collection is unknown.
        PrerequisiteError: If the server's pgvector cannot go on searching where it found too few.
    """
    found = require_collection(store, collection)
    _require_iterative_scans(store)
    with store.lock(f"the index of the collection {collection[:12]}"):
        _index_vectors(store, found)


@replayed
def _require_iterative_scans(store: Store) -> None:
    with store.transaction() as cursor:
        row = cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    have = row[0] if row else "none"
    if tuple(int(part) for part in have.split(".") if part.isdigit()) < _ITERATIVE:
        raise PrerequisiteError(
            f"index is hnsw, which needs pgvector {'.'.join(map(str, _ITERATIVE))} or newer, and the server at "
            f"{store.place} has {have}: update it (ALTER EXTENSION vector UPDATE), or use -P index=exact"
        )


@replayed
def _index_vectors(store: Store, found: Collection) -> None:
    with store.transaction() as cursor:
        # A graph that does not fit is built many times slower.
        cursor.execute("SET LOCAL maintenance_work_mem = '2GB'")
        # Workers would share that memory in /dev/shm, which has 64 MB in a container.
        cursor.execute("SET LOCAL max_parallel_maintenance_workers = 0")
        cursor.execute(
            sql.SQL(
                "CREATE INDEX IF NOT EXISTS {name} ON members USING hnsw ((embedding::halfvec({dimension})) "
                "halfvec_cosine_ops) WITH (m = {m}, ef_construction = {ef}) WHERE collection = {number}"
            ).format(
                name=sql.Identifier(f"members_hnsw_{found.number}"),
                dimension=sql.Literal(found.dimension),
                m=sql.Literal(_NEIGHBOURS),
                ef=sql.Literal(_CANDIDATES),
                number=sql.Literal(found.number),
            )
        )
