"""How much there is to embed is told before it begins."""

import pytest

from ragft.retrieval import sizes
from ragft.retrieval.sizes import Sizes, sizes_of
from ragft.types import Document


def test_small_documents_are_counted_exactly_and_warn_of_nothing() -> None:
    found = sizes_of([Document("a", "", ("One two.", "Three.")), Document("b", "", ("x" * 25,))], 10)
    assert found == Sizes(2, 39, 5, ((25, "b"), (14, "a")))
    assert found.warnings() == []


def test_three_hundred_million_characters_are_named_with_the_hours_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "CUT_CHARS", 150_000)
    page = ("word " * 200).strip()
    small, big = (page,) * 100, (page * 1000,) * 300
    found = sizes_of([Document("small", "", small), Document("big.txt", "", big)], 1500)
    assert found.characters == 301 * len(page) * 1000 - len(page) * 900
    assert 199_000 < found.passages < 310_000
    first, second = found.warnings()
    assert first == "warning: document big.txt alone has 299.7 million characters; is it one document, and text?"
    assert "299.8 million characters are about " in second
    assert second.endswith("which one idle core embeds in roughly 1.9 hours")


def test_passages_are_counted_even_where_the_first_document_is_too_large_to_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sizes, "CUT_CHARS", 10)
    assert sizes_of([Document("a", "", ("x" * 3000,))], 1500).passages == 3
    assert sizes_of([], 1500) == Sizes(0, 0, 0, ())
