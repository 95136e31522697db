"""Cuts documents into passages."""

import re
from collections.abc import Iterator

from ragft.errors import ConfigError
from ragft.types import Document, Passage, digest

# A sentence ends at closing punctuation before white space, or at the full stops of scripts that write none.
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+|$)", re.DOTALL)
_WORD = re.compile(r"\S+")

Span = tuple[int, int]


def chunk(document: Document, max_chars: int = 1500) -> list[Passage]:
    """Return the passages of ``document`` in order: as many whole paragraphs as fit in ``max_chars`` characters.

    A paragraph that is longer by itself is cut at sentence ends, a longer sentence between words, and a longer word
    wherever it must be. A passage is never empty and is an exact slice of the document's text, so that only white
    space between passages is left out.

    Raises:
        ConfigError: If ``max_chars`` is below 1.
    """
    if max_chars < 1:
        raise ConfigError(f"passages of at most {max_chars} characters cannot hold text; use 1 or more")
    text = document.text
    passages: list[Passage] = []
    for start, end in _packed(_units(document, text, max_chars), max_chars):
        position = len(passages)
        content = text[start:end]
        passages.append(Passage(digest([document.id, position, content]), document.id, position, content))
    return passages


def _packed(units: Iterator[Span], max_chars: int) -> Iterator[Span]:
    """Join neighbouring spans while the join is no longer than ``max_chars``."""
    current: Span | None = None
    for start, end in units:
        if current is not None and end - current[0] <= max_chars:
            current = (current[0], end)
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current


def _units(document: Document, text: str, max_chars: int) -> Iterator[Span]:
    """Give the spans that are not cut further, none longer than ``max_chars``, without the white space around them."""
    start = 0
    for paragraph in document.paragraphs:
        span = _trimmed(text, (start, start + len(paragraph)))
        start += len(paragraph) + 2
        if span[1] - span[0] <= max_chars:
            yield from [span] if span[0] < span[1] else []
            continue
        for sentence in _SENTENCE.finditer(text, *span):
            yield from _pieces(text, _trimmed(text, sentence.span()), max_chars)


def _pieces(text: str, sentence: Span, max_chars: int) -> Iterator[Span]:
    if sentence[1] - sentence[0] <= max_chars:
        yield from [sentence] if sentence[0] < sentence[1] else []
        return
    for word in _WORD.finditer(text, *sentence):
        for start in range(word.start(), word.end(), max_chars):
            yield start, min(start + max_chars, word.end())


def _trimmed(text: str, span: Span) -> Span:
    content = text[slice(*span)]
    start = span[0] + len(content) - len(content.lstrip())
    return start, max(start, span[0] + len(content.rstrip()))
