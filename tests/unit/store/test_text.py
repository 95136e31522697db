"""Text that Postgres cannot hold is escaped, and every text comes back."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft.store.text import from_postgres, to_postgres

BLNS = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"
hostile = st.text(st.sampled_from("\x00\x1a\ud800\udfff0123456789abcdef") | st.characters(exclude_categories=()))


@settings(deadline=None)
@given(hostile)
def test_every_text_comes_back_and_can_be_stored(text: str) -> None:
    stored = to_postgres(text)
    assert from_postgres(stored) == text
    assert "\x00" not in stored
    stored.encode("utf-8")


@settings(deadline=None)
@given(hostile, hostile)
def test_different_texts_are_stored_differently(one: str, other: str) -> None:
    assert (to_postgres(one) == to_postgres(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("\x00", "\x1a0000"),
        ("a\ud800b", "a\x1ad800b"),
        ("\x1a", "\x1a001a"),
        ("\x1a0000", "\x1a001a0000"),
        ("é😀", "é😀"),
    ],
)
def test_only_what_cannot_be_stored_is_escaped(text: str, stored: str) -> None:
    assert to_postgres(text) == stored


def test_naughty_strings_are_stored_as_they_are() -> None:
    strings = json.loads(BLNS.read_text(encoding="utf-8"))
    assert len(strings) == 515
    changed = [text for text in strings if to_postgres(text) != text]
    assert all(any(char in text for char in "\x00\x1a") for text in changed)
    assert len(changed) < 5
