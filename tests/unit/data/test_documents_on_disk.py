import gc
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data.documents_on_disk import DocumentShelf
from ragft.types import Document

DOCUMENTS = st.lists(
    st.builds(
        lambda name, title, texts: Document(name, title, tuple(texts)), st.text(), st.text(), st.lists(st.text())
    ),
    unique_by=lambda document: document.id,
    max_size=6,
)


@given(documents=DOCUMENTS, limit=st.sampled_from([0, 5, 10**9]))
def test_what_is_put_on_the_shelf_is_found_there(documents: list[Document], limit: int) -> None:
    shelf = DocumentShelf(memory_chars=limit)
    assert [shelf.add(document) for document in documents] == ["new"] * len(documents)
    assert list(shelf) == documents
    assert list(shelf.as_documents()) == documents
    assert shelf[1:] == documents[1:]
    assert list(shelf.ids()) == [document.id for document in documents]
    for document in documents:
        assert shelf.get(document.id) == document
        assert shelf.has(document.id)
        assert shelf.add(document) == "same"
        assert shelf.add(Document(document.id, document.title + "!", document.paragraphs)) == "other"
    assert len(shelf) == len(documents)
    if documents:
        assert shelf[-1] == documents[-1]


def test_a_small_collection_is_a_tuple_and_a_large_one_is_not() -> None:
    document = Document("a", "", ("text",))
    for limit, kind in ((4, tuple), (3, DocumentShelf)):
        shelf = DocumentShelf(memory_chars=limit)
        shelf.add(document)
        assert isinstance(shelf.as_documents(), kind)


@pytest.mark.parametrize("limit", [0, 10])
def test_an_index_outside_is_an_error(limit: int) -> None:
    shelf = DocumentShelf(memory_chars=limit)
    shelf.add(Document("a", "", ("text",)))
    for index in (1, -2):
        with pytest.raises(IndexError):
            shelf[index]
    assert shelf.get("b") is None
    assert not shelf.has("b")


def test_readers_do_not_disturb_each_other() -> None:
    shelf = DocumentShelf(memory_chars=0)
    documents = [Document(str(i), "", (str(i) * 9,)) for i in range(20)]
    for document in documents:
        shelf.add(document)
    assert list(zip(shelf, shelf, strict=True)) == list(zip(documents, documents, strict=True))


def test_the_file_is_gone_with_the_shelf() -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    shelf = DocumentShelf(memory_chars=0)
    shelf.add(Document("a", "", ("text",)))
    assert len(list(descriptors.iterdir())) == before + 1
    assert not list(Path(tempfile.gettempdir()).glob("ragft-documents-*"))
    del shelf
    gc.collect()
    assert len(list(descriptors.iterdir())) == before


def test_memory_stays_small_however_much_is_put_there() -> None:
    tracemalloc.start()
    shelf = DocumentShelf(memory_chars=1_000_000)
    text = "word " * 1000
    for number in range(4000):
        shelf.add(Document(str(number), "", (f"{number} {text}",)))
    assert sum(len(document.paragraphs[0]) for document in shelf) > 20_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
