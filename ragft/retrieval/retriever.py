"""Builds collections of passages, searches them, and freezes what was found."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ragft.errors import ConfigError, DataError
from ragft.result_versions import VERSIONS
from ragft.retrieval.chunking import chunk
from ragft.store.connection import Store
from ragft.store.passages import embedded, find_collection, freeze_collection, nearest, write_passages
from ragft.store.retrievals import freeze, frozen
from ragft.types import Document, Passage, digest

PASSAGES_AT_ONCE = 256
QUESTIONS_AT_ONCE = 256
# Passages are embedded in order of length within so many of them: documents larger than memory are read once more,
# not held.
SORTED_AT_ONCE = 20_000


class EmbeddingModel(Protocol):
    """What retrieval needs of an embedder; `ragft.retrieval.embedding.Embedder` is one."""

    id: str
    dimension: int

    def encode(self, texts: Sequence[str], *, question: bool = False) -> npt.NDArray[np.float32]:
        """Return one vector for each text, n x dimension."""
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
    """Finds the passages of one collection that are nearest to a question; the answer never changes."""

    def __init__(self, store: Store, embedder: EmbeddingModel, collection: str) -> None:
        """Check that the collection is there and was made with exactly this embedder.

        Raises:
            ConfigError: If it is not.
        """
        kept = find_collection(store, collection)
        if kept is None:
            raise ConfigError(f"there is no collection {collection} in the store at {store.place}; run prepare first")
        if kept.embedder != embedder.id or kept.dimension != embedder.dimension:
            raise ConfigError(
                f"collection {collection[:12]} was embedded with {kept.embedder} ({kept.dimension} dimensions), and "
                f"the embedder is {embedder.id} ({embedder.dimension}); use the embedder that prepared the data, or "
                "run prepare again with this one"
            )
        self._store = store
        self._embedder = embedder
        self._collection = collection

    def retrieve(self, questions: Sequence[str], k: int = 5) -> list[list[Passage]]:
        """Return the ``k`` nearest passages of each question, nearest first; fewer when the collection is smaller.

        What was found is frozen: a question that was asked before is answered from the store.

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
            neighbours = nearest(self._store, self._collection, self._embedder.encode(batch, question=True), k)
            freeze(self._store, {keys[q]: [p for p, _ in near] for q, near in zip(batch, neighbours, strict=True)})
        if missing:
            passages |= frozen(self._store, [keys[question] for question in missing])
        return [list(passages[keys[question]]) for question in questions]

    def similarities(self, questions: Sequence[str], k: int) -> list[dict[str, float]]:
        """Return for each question the ids of its ``k`` nearest passages with their cosine similarity, in [-1, 1]."""
        found: list[dict[str, float]] = []
        for start in range(0, len(questions), QUESTIONS_AT_ONCE):
            vectors = self._embedder.encode(questions[start : start + QUESTIONS_AT_ONCE], question=True)
            ranked = nearest(self._store, self._collection, vectors, k)
            found += [{passage.id: 1 - distance for passage, distance in near} for near in ranked]
        return found

    def _key(self, question: str, k: int) -> str:
        return digest({"version": VERSIONS["retrieval"], "collection": self._collection, "question": question, "k": k})
