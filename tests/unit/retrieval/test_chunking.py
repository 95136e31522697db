"""Passages: nothing lost, never too long, whole paragraphs where they fit."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft.errors import ConfigError
from ragft.retrieval.chunking import chunk
from ragft.types import Document

BLNS = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"
texts = st.text(st.characters() | st.sampled_from(" \n.!?。 \x00\ud800"), min_size=1)
documents = st.lists(texts, min_size=1, max_size=8).map(lambda paragraphs: Document("d", "", tuple(paragraphs)))


def squeezed(text: str) -> str:
    return "".join(text.split())


def texts_of(paragraphs: list[str], max_chars: int) -> list[str]:
    return [passage.text for passage in chunk(Document("d", "title", tuple(paragraphs)), max_chars)]


@settings(deadline=None)
@given(documents, st.integers(1, 80))
def test_nothing_is_lost_and_nothing_is_too_long(document: Document, max_chars: int) -> None:
    passages = chunk(document, max_chars)
    assert squeezed("".join(p.text for p in passages)) == squeezed(document.text)
    assert [p.position for p in passages] == list(range(len(passages)))
    assert len({p.id for p in passages}) == len(passages)
    for passage in passages:
        assert 0 < len(passage.text) <= max_chars
        assert passage.text == passage.text.strip()
        assert passage.text in document.text


def test_hostile_text_survives() -> None:
    strings = json.loads(BLNS.read_text(encoding="utf-8"))
    assert len(strings) == 515
    document = Document("d", "", tuple(text for text in strings if text))
    for max_chars in (1, 50, 1500):
        passages = chunk(document, max_chars)
        assert squeezed("".join(p.text for p in passages)) == squeezed(document.text)


def test_neighbouring_paragraphs_are_merged_while_they_fit() -> None:
    assert texts_of(["a" * 40, "b" * 40, "c" * 40], 82) == [f"{'a' * 40}\n\n{'b' * 40}", "c" * 40]
    assert texts_of(["a" * 40, "b" * 40, "c" * 40], 81) == ["a" * 40, "b" * 40, "c" * 40]


def test_a_paragraph_that_fits_is_never_cut() -> None:
    paragraph = "One sentence here. " * 5
    assert texts_of(["Short one.", paragraph.strip()], 95) == ["Short one.", paragraph.strip()]


def test_a_long_paragraph_is_cut_at_sentence_ends() -> None:
    paragraph = "The first is short. Is the second? 'Yes!' The last one, e.g. this, ends it."
    assert texts_of([paragraph], 45) == [
        "The first is short. Is the second? 'Yes!'",
        "The last one, e.g. this, ends it.",
    ]


def test_a_long_sentence_is_cut_between_words_and_a_long_word_anywhere() -> None:
    assert texts_of(["one two three"], 9) == ["one two", "three"]
    assert texts_of(["x" * 25], 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_sentences_without_spaces_are_cut_at_their_full_stops() -> None:
    assert texts_of(["今日は晴れ。明日は雨。"], 6) == ["今日は晴れ。", "明日は雨。"]


def test_passages_are_known_by_document_position_and_text() -> None:
    one, two = (chunk(Document(name, "", ("same",)), 10)[0] for name in ("a", "b"))
    assert one.id != two.id
    assert one == chunk(Document("a", "another title", ("same",)), 99)[0]


def test_blank_documents_have_no_passages() -> None:
    assert chunk(Document("d", "", ("  \n", "\t"))) == []
    assert chunk(Document("d", "", ())) == []


def test_a_size_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 0 characters"):
        chunk(Document("d", "", ("a",)), 0)
