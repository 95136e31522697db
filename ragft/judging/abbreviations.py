"""Which words of another text an abbreviation in capitals stands for: "HPV" and "human papillomavirus"."""

import re

from ragft.judging.overlap import normalised_words

_CAPITALS = re.compile(r"\b[A-Z]{2,6}\b")


def spelled_out(text: str, other: str) -> str:
    """Return a text with its abbreviations replaced by the words of another text that they stand for.

    An abbreviation is two to six capitals. It stands for two or more words that follow one another: its letters are,
    in order, the first letter of each, and perhaps further letters of a word (after Schwartz and Hearst 2003). One that
    stands for nothing in the other text stays as it is.
    """
    words = normalised_words(other)
    return _CAPITALS.sub(lambda found: _meaning(found[0], words) or found[0], text)


def _meaning(abbreviation: str, words: list[str]) -> str:
    letters = abbreviation.lower()
    # From one letter to the next: on in the word, or to the beginning of the next word.
    spelling = re.compile(r"\w*? ?".join(letters) + r"\w*")
    runs = (
        " ".join(words[start : start + count])
        for count in range(len(letters), 1, -1)
        for start in range(len(words) - count + 1)
    )
    return next((run for run in runs if spelling.fullmatch(run)), "")
