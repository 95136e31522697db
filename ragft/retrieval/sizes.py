"""How much there is to embed, known before embedding begins."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from ragft.retrieval.chunking import chunk
from ragft.types import Document

LARGEST = 3
# A document of this many characters is a file mistaken for text, or a whole library in one file.
LARGE_DOCUMENT = 5_000_000
# Documents are cut into passages as far as this to count them; the rest is counted in proportion.
CUT_CHARS = 20_000_000
# Measured on pages of a manual, with the embedder that is included, on one idle core.
EMBEDDED_CHARS_A_SECOND = 45_000
LONG_S = 600


@dataclass(frozen=True, slots=True)
class Sizes:
    """Documents, their characters, and the passages they are cut into (in proportion beyond 20 million characters).

    Attributes:
        largest: (characters, id) of the largest documents, largest first.
    """

    documents: int
    characters: int
    passages: int
    largest: tuple[tuple[int, str], ...]

    @property
    def seconds(self) -> float:
        """Roughly how many seconds one idle core needs to embed them."""
        return self.characters / EMBEDDED_CHARS_A_SECOND

    def warnings(self) -> list[str]:
        """Return what to look at before embedding begins: very large documents, hours of work."""
        lines = [
            f"warning: document {identifier} alone has {_millions(size)} characters; is it one document, and text?"
            for size, identifier in self.largest
            if size >= LARGE_DOCUMENT
        ]
        if self.seconds >= LONG_S:
            lines.append(
                f"warning: {_millions(self.characters)} characters are about {self.passages:,} passages, which one "
                f"idle core embeds in roughly {_duration(self.seconds)}"
            )
        return lines


def sizes_of(documents: Iterable[Document], max_chars: int) -> Sizes:
    """Return the sizes of documents, which are read once and not kept in memory."""
    count = characters = cut = passages = 0
    largest: list[tuple[int, str]] = []
    for document in documents:
        size = sum(map(len, document.paragraphs))
        count, characters = count + 1, characters + size
        largest = heapq.nlargest(LARGEST, [*largest, (size, document.id)])
        if cut + size <= CUT_CHARS:
            cut, passages = cut + size, passages + len(chunk(document, max_chars))
    if characters > cut:
        passages += (characters - cut) * passages // cut if cut else (characters - cut) // max_chars + 1
    return Sizes(count, characters, passages, tuple(largest))


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} million" if count >= 1_000_000 else f"{count:,}"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
