"""Documents that are larger together than memory should be are read from the store, a batch at a time."""

import pytest

from ragft.retrieval.retriever import Chosen, build_collection, count_passages
from ragft.store import datasets
from ragft.store.connection import Store
from ragft.store.datasets import StoredDocuments, load_dataset, save_dataset
from ragft.store.passages import collection_passages
from ragft.types import Dataset, Document, Question
from tests.integration.hashed import HashEmbedder

DOCUMENTS = tuple(Document(f"d{n:04d}", "T", (f"Text {n}. \x00", "More.")) for n in range(600))
DATASET = Dataset("large", DOCUMENTS, (Question("q", "?", ("a",), documents=("d0001",)),))


def test_they_are_the_same_documents_and_have_the_same_identity(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save_dataset(store, DATASET)
    assert isinstance(load_dataset(store, DATASET.sha256).documents, tuple)
    monkeypatch.setattr(datasets, "MEMORY_BYTES", 1000)
    loaded = load_dataset(store, DATASET.sha256)
    assert isinstance(loaded.documents, StoredDocuments)
    assert tuple(loaded.documents) == DOCUMENTS
    assert loaded.documents[599] == DOCUMENTS[-1] == loaded.documents[-1]
    assert loaded.documents[2:5] == list(DOCUMENTS[2:5])
    assert loaded.sha256 == DATASET.sha256
    save_dataset(store, loaded)


def test_a_collection_of_documents_read_in_portions_is_the_one_of_all_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build_collection(store, HashEmbedder("whole"), DOCUMENTS, 10)
    monkeypatch.setattr("ragft.retrieval.retriever.SORTED_AT_ONCE", 100)
    told: list[int] = []
    parts = build_collection(store, HashEmbedder("parts"), DOCUMENTS, 10, on_progress=told.append)
    assert [p.id for p in collection_passages(store, parts)] == [p.id for p in collection_passages(store, whole)]
    assert sum(told) == count_passages(DOCUMENTS, 10) == len(collection_passages(store, parts))
    some = Chosen(DOCUMENTS, {"d0003", "d0005"})
    assert [document.id for document in some] == [document.id for document in some] == ["d0003", "d0005"]
