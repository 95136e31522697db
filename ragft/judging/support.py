"""How far one passage supports an answer: the share of the answer's facts that it holds.

A rule and no model: it is the same everywhere and costs next to nothing. It sees a number, a name or a thing that no
passage holds, or that only different passages hold; it does not see which of two numbers of a passage is the one that
was asked for. How well it tells right answers from wrong ones stands in docs/verified.md.
"""

import re
from collections.abc import Sequence

# A number with its signs inside, or a word; "12.5", "10:30", "multi-lingual".
_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*")
# Words of so many letters are the same: "charges" and "charging" are one fact.
_STEM = 5
_EMPTY = frozenset(
    {"a", "about", "all", "also", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "do", "does"}
    | {"each", "for", "from", "had", "has", "have", "he", "her", "his", "how", "if", "in", "into", "is", "it", "its"}
    | {"may", "more", "no", "not", "of", "on", "one", "or", "our", "she", "so", "some", "such", "than", "that", "the"}
    | {"their", "them", "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when"}
    | {"where", "which", "while", "who", "will", "with", "would", "yes", "you", "your"}
)


def support(answer: str, passages: Sequence[str]) -> float:
    """Return how far the passage that holds most of an answer's facts supports it.

    Facts are numbers and names, which are words with a capital letter, and other words with content. Numbers and names
    count twice: they are what is invented, and the words around them are mostly those of the question.

    Returns:
        A number in [0, 1]; 0.0 for an answer without facts, and without passages.
    """
    marks, words = _facts(answer)
    facts = 2 * len(marks) + len(words)
    if not facts:
        return 0.0
    held = [set().union(*_facts(passage)) for passage in passages]
    return max(((2 * len(marks & each) + len(words & each)) / facts for each in held), default=0.0)


def _facts(text: str) -> tuple[set[str], set[str]]:
    """Return numbers and names, and other words with content, as they are compared."""
    marks, words = set[str](), set[str]()
    for word in _WORD.findall(text):
        folded = word.casefold()
        if folded in _EMPTY:
            continue
        (marks if word[0].isdigit() or word != folded else words).add(folded if word[0].isdigit() else folded[:_STEM])
    return marks, words
