"""Passages are found by vectors, by words and by both, the same way every time, and put in order by a reranker."""

from collections.abc import Sequence

import bm25s
import numpy as np
import pytest
from pgvector import HalfVector
from psycopg import sql

from ragft.errors import ConfigError, PrerequisiteError
from ragft.result_versions import VERSIONS
from ragft.retrieval import opening
from ragft.retrieval.opening import open_retriever
from ragft.retrieval.retriever import READ, Retriever, build_collection
from ragft.retrieval.withheld import find_withheld
from ragft.store import searching
from ragft.store.connection import Store
from ragft.store.indexes import K1, B, index_words
from ragft.store.passages import (
    Vectors,
    collection_passages,
    freeze_collection,
    require_collection,
    write_passages,
)
from ragft.store.searching import by_both, by_words, nearest
from ragft.types import Document, Passage, Question, Search, digest
from tests.integration.hashed import HashEmbedder

WORDS = "router modem cable signal light red green the is of a price tariff roaming NX-2000 Müller 5G".split()  # noqa: SIM905
QUESTIONS = [
    "Is the NX-2000 router a modem?",
    "green light, green signal",
    "what is the PRICE of roaming tariffs",
    "müller",
]
LEXICAL, HYBRID = Search("lexical"), Search("hybrid")


def texts(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join([f"passage {n}:", *rng.choice(WORDS, size=rng.integers(3, 30))]) for n in range(count)]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def collection(store: Store, embedder: HashEmbedder) -> str:
    return build_collection(store, embedder, [Document(f"d{n}", "", (text,)) for n, text in enumerate(texts(120))])


def lexemes(store: Store, text: str) -> list[str]:
    """The words of a text as Postgres reads them, each as often as it occurs."""
    with store.transaction() as cursor:
        cursor.execute("SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector('english', %s))", [text])
        return [lexeme for lexeme, count in cursor for _ in range(count)]


def test_scores_by_words_are_the_bm25_of_bm25s_on_the_same_words(store: Store, collection: str) -> None:
    index_words(store, collection, "english")
    passages = collection_passages(store, collection)
    peer = bm25s.BM25(method="lucene", k1=K1, b=B)
    peer.index([lexemes(store, passage.text) for passage in passages], show_progress=False)
    found = by_words(store, collection, QUESTIONS, 120, language="english")
    for question, ranking in zip(QUESTIONS, found, strict=True):
        scores = peer.get_scores(lexemes(store, question))
        expected = {p.id: float(score) for p, score in zip(passages, scores, strict=True) if score > 0}
        assert {p.id: score for p, score in ranking} == pytest.approx(expected, abs=2e-5)
        assert [score for _, score in ranking] == sorted((score for _, score in ranking), reverse=True)
    assert all(found)
    assert len(found[0]) < 120


def test_a_question_of_stop_words_finds_nothing_and_one_that_is_hard_to_parse_finds_its_words(
    store: Store, collection: str
) -> None:
    index_words(store, collection, "english")
    hard = [
        "the of and a?",
        "",
        "' | & ! (:*) \\ <-> router",
        "x\x00y\ud800 router",
        "router " * 3000,
        "router " + " ".join(f"w{n}" for n in range(200_000)),
    ]
    nothing, empty, *others = by_words(store, collection, hard, 3, language="english")
    assert (nothing, empty) == ([], [])
    once = by_words(store, collection, ["router"], 3, language="english")[0]
    for found in others:
        assert [passage for passage, _ in found] == [passage for passage, _ in once]
    assert len(by_words(store, collection, ["the"], 3, language="english")[0]) == 0
    index_words(store, collection, "simple")
    assert len(by_words(store, collection, ["the"], 3, language="simple")[0]) == 3


def test_a_passage_of_more_words_than_postgres_indexes_is_refused(store: Store) -> None:
    words = " ".join(f"word{n}" for n in range(120_000))
    write_passages(store, [Passage("big", "d", 0, words)], np.ones((1, 4), dtype=np.float32), "four")
    freeze_collection(store, "c", ["big"], "four", 2_000_000)
    with pytest.raises(ConfigError, match=r"more words than Postgres can index .*; use a smaller chunk_chars"):
        index_words(store, "c", "english")


def test_passages_of_one_score_are_in_the_same_order_in_every_store(store: Store, embedder: HashEmbedder) -> None:
    same = [Document(f"d{n}", "", ("the router is red",)) for n in range(30)]
    collection = build_collection(store, embedder, [*same, Document("other", "", ("a cable",))])
    index_words(store, collection, "english")
    found = by_words(store, collection, ["red router"], 30, language="english")[0]
    assert len({score for _, score in found}) == 1
    # The order of exact search, whose passages lie at one distance too.
    near = nearest(store, collection, embedder.encode(["the router is red"]), 30)[0]
    assert [passage for passage, _ in found] == [passage for passage, _ in near]


def test_both_rankings_are_fused_by_their_reciprocal_ranks(
    store: Store, collection: str, embedder: HashEmbedder
) -> None:
    index_words(store, collection, "english")
    vectors = embedder.encode(QUESTIONS)
    for k in (5, 70):
        depth = max(k, 50)
        rankings = zip(
            nearest(store, collection, vectors, depth),
            by_words(store, collection, QUESTIONS, depth, language="english"),
            strict=True,
        )
        fused = by_both(store, collection, QUESTIONS, vectors, k, language="english")
        for both, found in zip(rankings, fused, strict=True):
            expected: dict[str, float] = {}
            for ranking in both:
                for rank, (passage, _) in enumerate(ranking, start=1):
                    expected[passage.id] = expected.get(passage.id, 0) + 1 / (60 + rank)
            assert len(found) == k
            assert [score for _, score in found] == pytest.approx(sorted(expected.values(), reverse=True)[:k])
            assert {p.id: score for p, score in found} == pytest.approx({p.id: expected[p.id] for p, _ in found})


class Backwards:
    """A reranker that prefers what is shorter, and remembers what it read."""

    sha256, window, cut = "b" * 64, 10, 0

    def __init__(self) -> None:
        self.pairs = 0

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        assert question
        self.pairs += len(passages)
        return [-float(len(passage)) for passage in passages]


def test_a_reranker_orders_the_first_fifty_and_leaves_the_others_behind_them(
    store: Store, collection: str, embedder: HashEmbedder
) -> None:
    plain = Retriever(store, embedder, collection, HYBRID)
    reranker = Backwards()
    search = Search("hybrid", reranker="backwards", reranker_sha256=reranker.sha256)
    reranked = Retriever(store, embedder, collection, search, reranker)
    first = plain.retrieve(QUESTIONS, READ)[0]
    assert reranked.retrieve(QUESTIONS[:1], 4)[0] == sorted(first, key=lambda passage: len(passage.text))[:4]
    assert reranker.pairs == READ
    assert reranked.retrieve(QUESTIONS[:1], 4)[0] == sorted(first, key=lambda passage: len(passage.text))[:4]
    assert reranker.pairs == READ  # what was found is frozen
    seventy = plain.retrieve(QUESTIONS[:1], 70)[0]
    head = sorted(seventy[:READ], key=lambda passage: len(passage.text))
    assert reranked.retrieve(QUESTIONS[:1], 70)[0] == [*head, *seventy[READ:]]
    assert reranked.scores(QUESTIONS[:1], 70)[0] == {passage.id: -len(passage.text) for passage in head}


def test_a_way_to_search_is_part_of_the_key_and_the_usual_one_is_not(
    store: Store, collection: str, embedder: HashEmbedder
) -> None:
    ways = [Search(), LEXICAL, HYBRID, Search("hybrid", "simple"), Search(index="hnsw"), Search("hybrid", index="hnsw")]
    ways += [Search(reranker="x", reranker_sha256="a"), Search(reranker="x", reranker_sha256="b")]
    keys = [Retriever(store, embedder, collection, way)._key("why?", 3) for way in ways]
    assert len(set(keys)) == len(ways)
    assert keys[0] == digest({"version": VERSIONS["retrieval"], "collection": collection, "question": "why?", "k": 3})
    # What is not used decides nothing.
    unused = [Search(language="german"), Search("lexical", index="hnsw")]
    assert [way.made_of for way in unused] == [{}, LEXICAL.made_of]


def plan_of(store: Store, collection: str, vectors: Vectors, *, approximate: bool) -> str:
    found = require_collection(store, collection)
    ranking = searching._by_vector(found, approximate=approximate)
    values = {"embeddings": [HalfVector(row) for row in vectors], "questions": [], "k": 5, "collection": found.number}
    with store.transaction() as cursor:
        if approximate:
            searching._use_index(cursor, 5)
        cursor.execute(sql.SQL("EXPLAIN ") + searching._SEARCH.format(ranking=ranking), values)
        return "\n".join(line for (line,) in cursor)


def test_an_index_of_vectors_is_used_and_its_recall_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = HashEmbedder(dimension=48)
    documents = [Document(f"d{n}", "", (f"w{n} w{n * n} w{n + 7}",)) for n in range(1500)]
    collection = build_collection(store, embedder, documents)
    asked = [f"w{n} w{n + 7}" for n in range(0, 1500, 30)]
    indexed = Retriever(store, embedder, collection, Search(index="hnsw"))
    assert indexed.recall(asked, 5) > 0.99
    assert Retriever(store, embedder, collection, Search("hybrid", index="hnsw")).recall(asked, 5) > 0.99
    vectors = embedder.encode(asked)
    number = require_collection(store, collection).number
    assert f"members_hnsw_{number}" in plan_of(store, collection, vectors, approximate=True)
    assert "hnsw" not in plan_of(store, collection, vectors, approximate=False)
    # It goes on until there are as many as were asked for, although it looks at 200 at once.
    assert len(nearest(store, collection, vectors[:1], 1200, approximate=True)[0]) == 1200
    # A search that looks at next to nothing finds less, and that is told. It is asked for what lies between two
    # passages: the graph is another one at each build (0.46 to 0.64 of them are found; near one passage 0.78 to 0.96).
    monkeypatch.setattr(searching, "_EF_SEARCH", 1)
    assert 0.1 < indexed.recall([f"w{n} w{n + 700}" for n in range(0, 1500, 30)], 1) < 0.95
    assert indexed.recall([], 5) == 1.0


def test_a_language_that_the_server_does_not_know_is_refused_with_those_it_knows(
    store: Store, collection: str, embedder: HashEmbedder
) -> None:
    for way in (Search("lexical", "klingon"), Search("hybrid", "english; DROP TABLE postings")):
        with pytest.raises(ConfigError, match=r"has no text search configuration for; it has: .*english, .*simple"):
            Retriever(store, embedder, collection, way)
    Retriever(store, embedder, collection, Search(language="klingon"))  # no words are read


def test_a_reranker_that_is_another_than_the_one_that_was_compared_is_refused(
    store: Store, collection: str, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "open_embedder", lambda _: embedder)
    monkeypatch.setattr(opening, "open_reranker", lambda _: Backwards())
    opened = open_retriever(store, "hashed", collection, Search(reranker="x"))
    assert opened.search.reranker_sha256 == Backwards.sha256
    with pytest.raises(PrerequisiteError, match=r"the reranker x has sha256 bbb.*, expected aaa.*: restore its files"):
        open_retriever(store, "hashed", collection, Search(reranker="x", reranker_sha256="a" * 64))


def test_words_that_find_little_for_one_question_do_not_end_the_search_for_another(
    store: Store, embedder: HashEmbedder
) -> None:
    documents = [Document("own", "", tuple(f"red router number {n} of its own" for n in range(20)))]
    documents += [Document(f"d{n}", "", (f"a red router of page {n}",)) for n in range(5)]
    collection = build_collection(store, embedder, documents, 40)
    rare = Question("rare", "Which tariff?", ("gold",), ("own",))
    common = Question("common", "Which red router is it?", ("gold",), ("own",))
    found = find_withheld(Retriever(store, embedder, collection, LEXICAL), [rare, common], 3)
    assert "rare" not in found
    assert [passage.document_id for passage in found["common"]] != ["own"] * 3
    assert len(found["common"]) == 3


def test_a_killed_index_is_made_again_and_two_make_one(store: Store, collection: str, embedder: HashEmbedder) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        index_words(store, collection, "english")
        raise RuntimeError("killed")
    found: list[Passage] = Retriever(store, embedder, collection, LEXICAL).retrieve(QUESTIONS, 2)[0]
    assert len(found) == 2
    index_words(store, collection, "english")
    with store.transaction() as cursor:
        row = cursor.execute("SELECT count(*), count(DISTINCT lexeme) FROM postings").fetchone()
    assert row is not None
    assert row[0] == row[1] > 10


def test_a_language_of_ones_own_is_found_by_its_name_as_it_is_written(
    store: Store, embedder: HashEmbedder, collection: str
) -> None:
    with store.transaction() as cursor:
        cursor.execute('CREATE TEXT SEARCH CONFIGURATION "German_Own" (COPY = pg_catalog.german)')
    search = Search("lexical", "German_Own")
    assert Retriever(store, embedder, collection, search).retrieve(["Die roten Router"], 3)[0]
    with pytest.raises(ConfigError, match="language is 'german_own'"):
        Retriever(store, embedder, collection, Search("lexical", "german_own"))
