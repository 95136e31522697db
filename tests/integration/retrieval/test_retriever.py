"""Collections are made once, and the same question finds the same passages ever after."""

import pytest

from ragft.errors import ConfigError, DataError
from ragft.retrieval.retriever import Retriever, build_collection
from ragft.store.connection import Store
from ragft.store.passages import find_collection
from ragft.types import Document
from tests.integration.hashed import HashEmbedder

DOCUMENTS = [Document(f"d{n}", "", (f"number {n} is red", f"{chr(97 + n) * 3} is the word")) for n in range(12)]


def test_only_what_is_missing_is_embedded(store: Store) -> None:
    embedder, told = HashEmbedder(), list[int]()
    first = build_collection(store, embedder, DOCUMENTS[:8], 20, told.append)
    assert len(embedder.seen) == sum(told) == 16
    assert build_collection(store, embedder, DOCUMENTS[:8][::-1], 20) == first
    assert len(embedder.seen) == 16
    second = build_collection(store, embedder, DOCUMENTS, 20)
    assert len(embedder.seen) == 24
    assert first != second
    found = find_collection(store, second)
    assert found is not None
    assert (found.size, found.embedder, found.max_chars) == (24, "hashed", 20)


def test_a_collection_depends_on_documents_chunk_size_and_embedder(store: Store) -> None:
    made = {
        build_collection(store, HashEmbedder(), DOCUMENTS, 20),
        build_collection(store, HashEmbedder(), DOCUMENTS[1:], 20),
        build_collection(store, HashEmbedder(), DOCUMENTS, 100),
        build_collection(store, HashEmbedder("another"), DOCUMENTS, 20),
    }
    assert len(made) == 4


def test_questions_find_the_passages_that_share_their_words(store: Store) -> None:
    embedder = HashEmbedder(dimension=256)
    retriever = Retriever(store, embedder, build_collection(store, embedder, DOCUMENTS, 20))
    questions = ["what is number 7", "ccc", "what is number 7"]
    found = retriever.retrieve(questions, 3)
    assert [passages[0].text for passages in found] == ["number 7 is red", "ccc is the word", "number 7 is red"]
    assert [len(passages) for passages in found] == [3, 3, 3]
    assert len(retriever.retrieve(["anything"], 500)[0]) == 24
    assert retriever.retrieve([], 5) == []


def test_what_was_found_is_frozen(store: Store) -> None:
    embedder = HashEmbedder()
    collection = build_collection(store, embedder, DOCUMENTS, 20)
    first = Retriever(store, embedder, collection).retrieve(["is it red?", "b\x00\ud800"], 4)
    embedder.seen.clear()
    with store.transaction() as cursor:
        # The vectors are gone, so that only what is frozen can answer.
        cursor.execute("DELETE FROM members")
    again = Retriever(store, embedder, collection)
    assert again.retrieve(["is it red?", "b\x00\ud800"], 4) == first
    assert embedder.seen == []
    assert again.retrieve(["another question"], 4) == [[]]
    assert embedder.seen == ["another question"]


def test_a_retriever_refuses_what_was_not_made_with_its_embedder(store: Store) -> None:
    collection = build_collection(store, HashEmbedder(), DOCUMENTS, 20)
    with pytest.raises(ConfigError, match=r"embedded with hashed \(32 dim.*the embedder is other \(32\).*run prepare"):
        Retriever(store, HashEmbedder("other"), collection)
    with pytest.raises(ConfigError, match=r"the embedder is hashed \(64\)"):
        Retriever(store, HashEmbedder(dimension=64), collection)
    with pytest.raises(ConfigError, match=r"no collection nowhere .*run prepare"):
        Retriever(store, HashEmbedder(), "nowhere")
    with pytest.raises(ConfigError, match="0 passages cannot be retrieved"):
        Retriever(store, HashEmbedder(), collection).retrieve(["a"], 0)


def test_documents_without_text_are_refused(store: Store) -> None:
    with pytest.raises(DataError, match="2 documents hold no text"):
        build_collection(store, HashEmbedder(), [Document("a", "t", ()), Document("b", "t", (" ",))], 20)
    with pytest.raises(DataError, match="0 documents hold no text"):
        build_collection(store, HashEmbedder(), [], 20)
