"""One thing written in two ways: "HPV" and "human papillomavirus", "cut-throat" and "cut throat"."""

import re

from ragft.judging.overlap import normalised_words

_CAPITALS = re.compile(r"\b[A-Z]{2,6}\b")
_HYPHENATED = re.compile(r"\w+(?:-\w+)+")


def spelled_out(text: str, other: str) -> str:
    """Return a text with its abbreviations replaced by the words of another text that they stand for.

    An abbreviation is two to six capitals. It stands for two or more words that follow one another: its letters are,
    in order, the first letter of each, and perhaps further letters of a word (after Schwartz and Hearst 2003). Two
    capitals stand for names alone, whose words begin with capitals: else "US" would be "until September". One that
    stands for nothing in the other text stays as it is.
    """
    return _CAPITALS.sub(lambda found: _meaning(found[0], other) or found[0], text)


def apart(text: str, other: str) -> str:
    """Return a text with a blank for each hyphen of a word whose parts the other text has as words, side by side."""
    words = f" {' '.join(normalised_words(other))} "

    def parted(found: re.Match[str]) -> str:
        parts = " ".join(normalised_words(found[0].replace("-", " ")))
        return parts if f" {parts} " in words else found[0]

    return _HYPHENATED.sub(parted, text)


def _meaning(abbreviation: str, other: str) -> str:
    letters = abbreviation.lower()
    names = re.findall(r"\b[A-Z]\w*", other) if len(letters) == 2 else []
    named = {word for name in names for word in normalised_words(name)}
    words = normalised_words(other)
    # From one letter to the next: on in the word, or to the beginning of the next word.
    spelling = re.compile(r"\w*? ?".join(letters) + r"\w*")
    runs = (
        words[start : start + count] for count in range(len(letters), 1, -1) for start in range(len(words) - count + 1)
    )
    fitting = (run for run in runs if spelling.fullmatch(" ".join(run)) and (len(letters) > 2 or named.issuperset(run)))
    return " ".join(next(fitting, ()))
