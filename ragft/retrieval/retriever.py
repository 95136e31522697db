"""Builds collections of passages, searches them, and freezes what was found."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ragft.errors import ConfigError, DataError
from ragft.result_versions import VERSIONS
from ragft.retrieval.chunking import chunk
from ragft.store.connection import Store
from ragft.store.indexes import index_vectors, index_words, languages
from ragft.store.passages import embedded, find_collection, freeze_collection, require_collection, write_passages
from ragft.store.retrievals import freeze, frozen
from ragft.store.searching import Ranked, by_both, by_words, nearest
from ragft.types import Document, Passage, Search, digest

PASSAGES_AT_ONCE = 256
QUESTIONS_AT_ONCE = 256
# Passages are embedded in order of length within so many of them: documents larger than memory are read once more,
# not held.
SORTED_AT_ONCE = 20_000
# Of what is found so many are read again by a reranker.
READ = 50
# The nearest vectors, all of them looked at.
EXACT = Search()


class EmbeddingModel(Protocol):
    """What retrieval needs of an embedder; `ragft.retrieval.embedding.Embedder` is one."""

    id: str
    dimension: int

    def encode(self, texts: Sequence[str], *, question: bool = False) -> npt.NDArray[np.float32]:
        """Return one vector for each text, n x dimension."""
        ...


class RerankingModel(Protocol):
    """What retrieval needs of a reranker; `ragft.retrieval.reranking.Reranker` is one.

    Attributes:
        sha256: What it is.
        window: How many tokens of question and passage it reads at once.
        pairs: How many pairs of question and passage it has read.
        cut: How many of them did not fit its window, so that their end was not read.
    """

    sha256: str
    window: int
    pairs: int
    cut: int

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return a number for each passage, larger is better."""
        ...


@dataclass(frozen=True)
class Chosen:
    """A selection of documents, read again at each pass."""

    documents: Iterable[Document]
    ids: Collection[str]

    def __iter__(self) -> Iterator[Document]:
        return (document for document in self.documents if document.id in self.ids)


def collection_id(embedder: EmbeddingModel, passage_ids: Iterable[str], max_chars: int) -> str:
    """Return the id of the collection of these passages: a hash of them, the chunk size and the embedder."""
    return digest({"embedder": embedder.id, "max_chars": max_chars, "passages": sorted(set(passage_ids))})


def count_passages(documents: Iterable[Document], max_chars: int) -> int:
    """Return how many passages documents are cut into; equal passages count each time."""
    return sum(len(chunk(document, max_chars)) for document in documents)


def build_collection(
    store: Store,
    embedder: EmbeddingModel,
    documents: Iterable[Document],
    max_chars: int = 1500,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Return the id of the frozen collection of the passages of ``documents``, embedding those that have no vector.

    Each batch is one transaction, so that a killed run goes on where it was; a second process waits for the first.
    After each batch ``on_progress`` is told how many passages it had. The documents are read twice and not kept:
    memory holds the passages' ids, and the texts of a few thousand.

    Raises:
        DataError: If the documents hold no text.
    """
    ids = list(dict.fromkeys(p.id for document in documents for p in chunk(document, max_chars)))
    if not ids:
        count = sum(1 for _ in documents)
        raise DataError(f"{count} documents hold no text, so there is nothing to retrieve; check the data")
    collection = collection_id(embedder, ids, max_chars)
    with store.lock(f"the collection {collection[:12]}"):
        if find_collection(store, collection) is None:
            for passages in _portions(documents, max_chars):
                _embed_missing(store, embedder, passages, on_progress)
            freeze_collection(store, collection, ids, embedder.id, max_chars)
    return collection


def collect_passages(store: Store, embedder: EmbeddingModel, passages: Sequence[Passage]) -> str:
    """Return the id of the frozen collection of passages that others cut, embedding those that have no vector."""
    ids = [passage.id for passage in passages]
    collection = collection_id(embedder, ids, 0)
    with store.lock(f"the collection {collection[:12]}"):
        if find_collection(store, collection) is None:
            _embed_missing(store, embedder, passages, None)
            freeze_collection(store, collection, ids, embedder.id, 0)
    return collection


def _portions(documents: Iterable[Document], max_chars: int) -> Iterator[list[Passage]]:
    """Yield the passages, each once in a portion, in portions of about as many as are sorted at once."""
    portion: dict[str, Passage] = {}
    for document in documents:
        portion.update((passage.id, passage) for passage in chunk(document, max_chars))
        if len(portion) >= SORTED_AT_ONCE:
            yield list(portion.values())
            portion = {}
    if portion:
        yield list(portion.values())


def _embed_missing(
    store: Store,
    embedder: EmbeddingModel,
    passages: Sequence[Passage],
    on_progress: Callable[[int], None] | None,
) -> None:
    there = embedded(store, embedder.id, [p.id for p in passages])
    # Long passages go together, since a batch is padded to its longest.
    missing = sorted((p for p in passages if p.id not in there), key=lambda p: (-len(p.text), p.id))
    for start in range(0, len(missing), PASSAGES_AT_ONCE):
        batch = missing[start : start + PASSAGES_AT_ONCE]
        write_passages(store, batch, embedder.encode([p.text for p in batch]), embedder.id)
        if on_progress is not None:
            on_progress(len(batch))


class Retriever:
    """Finds the passages of one collection that answer a question best; the answer never changes.

    Attributes:
        search: How it finds them.
        reranker: What puts the first ones in order, where there is one.
    """

    def __init__(
        self,
        store: Store,
        embedder: EmbeddingModel,
        collection: str,
        search: Search = EXACT,
        reranker: RerankingModel | None = None,
    ) -> None:
        """Check that the collection is there and was made with exactly this embedder, and that it can be searched so.

        Raises:
            ConfigError: If it is not, or the server does not know the language.
        """
        kept = require_collection(store, collection)
        if kept.embedder != embedder.id or kept.dimension != embedder.dimension:
            raise ConfigError(
                f"collection {collection[:12]} was embedded with {kept.embedder} ({kept.dimension} dimensions), and "
                f"the embedder is {embedder.id} ({embedder.dimension}); use the embedder that prepared the data, or "
                "run prepare again with this one"
            )
        if search.retriever != "dense":
            check_language(store, search.language)
        self.search = search
        self.reranker = reranker
        self.size = kept.size
        self._store = store
        self._embedder = embedder
        self._collection = collection
        self._is_indexed = False

    def retrieve(self, questions: Sequence[str], k: int = 5) -> list[list[Passage]]:
        """Return the ``k`` best passages of each question, best first.

        Fewer are found where the collection is smaller, and by words where fewer share one with the question. What was
        found is frozen: a question that was asked before is answered from the store.

        Raises:
            ConfigError: If ``k`` is below 1.
        """
        if k < 1:
            raise ConfigError(f"{k} passages cannot be retrieved; use 1 or more")
        keys = {question: self._key(question, k) for question in questions}
        passages = frozen(self._store, keys.values())
        missing = [question for question, key in keys.items() if key not in passages]
        for start in range(0, len(missing), QUESTIONS_AT_ONCE):
            batch = missing[start : start + QUESTIONS_AT_ONCE]
            found = self._find(batch, k)
            freeze(self._store, {keys[q]: [p for p, _ in ranking] for q, ranking in zip(batch, found, strict=True)})
        if missing:
            passages |= frozen(self._store, [keys[question] for question in missing])
        return [list(passages[keys[question]]) for question in questions]

    def scores(self, questions: Sequence[str], k: int) -> list[dict[str, float]]:
        """Return for each question the ids of its ``k`` best passages with what they are ranked by, larger is better.

        That is the cosine similarity, the BM25, or the sum of reciprocal ranks; with a reranker it is its score, and
        the passages behind those that it reads have none.
        """
        found: list[dict[str, float]] = []
        for start in range(0, len(questions), QUESTIONS_AT_ONCE):
            ranked = self._find(questions[start : start + QUESTIONS_AT_ONCE], k)
            found += [{p.id: score for p, score in ranking if score is not None} for ranking in ranked]
        return found

    def recall(self, questions: Sequence[str], k: int) -> float:
        """Return how much of what the same search finds with an exact index this one finds, in [0, 1]; 1.0 of nothing.

        The share of the first ``k`` passages, averaged over the questions. What exact search finds is frozen as well.
        """
        exact = Retriever(
            self._store, self._embedder, self._collection, replace(self.search, index="exact"), self.reranker
        )
        pairs = zip(exact.retrieve(questions, k), self.retrieve(questions, k), strict=True)
        shares = [len(set(wanted) & set(found)) / len(wanted) for wanted, found in pairs if wanted]
        return sum(shares) / len(shares) if shares else 1.0

    def _find(self, questions: Sequence[str], k: int) -> list[list[tuple[Passage, float | None]]]:
        """Return the ``k`` best passages of each question with their scores, best first."""
        ranked = self._search(questions, k if self.reranker is None else max(k, READ))
        if self.reranker is None:
            return [list(ranking) for ranking in ranked]
        return [_reranked(self.reranker, q, ranking)[:k] for q, ranking in zip(questions, ranked, strict=True)]

    def _search(self, questions: Sequence[str], k: int) -> Ranked:
        self._index()
        search, collection = self.search, self._collection
        if search.retriever == "lexical":
            return by_words(self._store, collection, questions, k, language=search.language)
        vectors = self._embedder.encode(questions, question=True)
        approximate = search.index == "hnsw"
        if search.retriever == "hybrid":
            return by_both(
                self._store, collection, questions, vectors, k, language=search.language, approximate=approximate
            )
        ranked = nearest(self._store, collection, vectors, k, approximate=approximate)
        return [[(passage, 1 - distance) for passage, distance in ranking] for ranking in ranked]

    def _index(self) -> None:
        """Make what the search reads, at the first question that was not asked before."""
        if self._is_indexed:
            return
        if self.search.retriever != "dense":
            index_words(self._store, self._collection, self.search.language)
        if self.search.retriever != "lexical" and self.search.index == "hnsw":
            index_vectors(self._store, self._collection)
        self._is_indexed = True

    def _key(self, question: str, k: int) -> str:
        return digest(
            {
                "version": VERSIONS["retrieval"],
                "collection": self._collection,
                "question": question,
                "k": k,
                **self.search.made_of,
            }
        )


def check_language(store: Store, language: str) -> None:
    """Check that the server can read words in a language.

    Raises:
        ConfigError: If it has no text search configuration of this name, with those it has.
    """
    if language not in (known := languages(store)):
        raise ConfigError(
            f"language is {language!r}, which Postgres has no text search configuration for; it has: "
            f"{', '.join(known)} (simple for any other language: words as they are)"
        )


def _reranked(
    reranker: RerankingModel, question: str, ranking: Sequence[tuple[Passage, float]]
) -> list[tuple[Passage, float | None]]:
    """Return a ranking with its first passages in the reranker's order; equal scores stay in theirs."""
    first = [passage for passage, _ in ranking[:READ]]
    scored = list(zip(first, reranker.scores(question, [passage.text for passage in first]), strict=True))
    return [*sorted(scored, key=lambda each: -each[1]), *((passage, None) for passage, _ in ranking[READ:])]
