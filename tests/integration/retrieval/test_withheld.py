"""Passages that cannot answer are found in a real collection, however deep they lie."""

from ragft.retrieval.retriever import Retriever, build_collection
from ragft.retrieval.withheld import find_withheld
from ragft.store.connection import Store
from ragft.types import Document, Question
from tests.integration.hashed import HashEmbedder

LONG = Document("own", "", tuple(f"the red pump {n} has a valve" for n in range(40)))
OTHERS = [Document(f"d{n}", "", (f"a compressor {n} has a motor",)) for n in range(6)]
QUESTION = Question("q", "what has the red pump", ("a valve",), ("own",), (LONG.paragraphs[0],))


def retriever(store: Store, documents: list[Document]) -> Retriever:
    embedder = HashEmbedder(dimension=256)
    return Retriever(store, embedder, build_collection(store, embedder, documents, 40))


def test_behind_the_forty_passages_of_its_own_document_others_are_found_and_found_again(store: Store) -> None:
    collection = retriever(store, [LONG, *OTHERS])
    assert {p.document_id for p in collection.retrieve([QUESTION.text], 12)[0]} == {"own"}
    found = find_withheld(collection, [QUESTION], 3)
    assert len(found["q"]) == 3
    assert not {p.document_id for p in found["q"]} & {"own"}
    assert find_withheld(collection, [QUESTION], 3) == found


def test_a_single_document_leaves_nothing_to_withhold_with(store: Store) -> None:
    assert find_withheld(retriever(store, [LONG]), [QUESTION], 3) == {}


def test_fewer_other_passages_than_asked_for_are_all_there_is(store: Store) -> None:
    assert len(find_withheld(retriever(store, [LONG, *OTHERS[:2]]), [QUESTION], 3)["q"]) == 2
