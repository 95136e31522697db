"""Whether a line of text gives a short answer, in whatever sentence a model puts it.

Made on 200 answers of SmolLM2 and its adapters that two readers graded alike, and measured on 120 others
(``tests/data/graded``, docs/metrics.md). It knows words, not meanings: "HPV" is not "human papillomavirus".
"""

import re
import string
from collections.abc import Sequence

from ragft.judging.abstention import abstains
from ragft.judging.overlap import normalised_words

# Between two words of an answer a sentence may put so many others: "free movement and trade" for "free trade".
MOST_BETWEEN = 3
_FUNCTION_WORDS = frozenset(
    {"about", "also", "and", "are", "around", "as", "at", "be", "been", "between", "by", "for", "from", "in", "into"}
    | {"is", "it", "its", "of", "on", "or", "than", "that", "then", "this", "to", "was", "were", "which", "who", "with"}
)
_LEADING_ARTICLE = re.compile(r"^\s*(?:a|an|the)\s+(?=\S)", re.IGNORECASE)
_NEGATIONS = frozenset({"no", "not", "none"})
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def gives(line: str, answer: str, question: str) -> bool:
    """Return whether a line gives an answer to a question.

    One of these holds: the line is the answer; the answer stands in it as whole words; or what the answer says beyond
    the question stands in it, in order and close together. A "no" is not given by saying that there is no answer.
    """
    said, words = normalised_words(line), normalised_words(answer)
    asked = {_singular(word) for word in normalised_words(question)}
    told = _beyond(words, asked)
    if not said or not words or (_NEGATIONS.issuperset(told or words) and abstains(line, question)):
        return False
    if said == words:
        return True
    if not told:
        # Nothing but words of the question, and perhaps an article behind them, which is all of "protein A".
        return stands_in(_words(_LEADING_ARTICLE.sub("", answer)), _words(line))
    return stands_in(words, said) or _in_order(told, said)


def stands_in(words: Sequence[str], said: Sequence[str]) -> bool:
    """Return whether ``words``, at least one, follow one another in what was ``said``."""
    places = range(len(said) - len(words) + 1)
    return bool(words) and any(list(said[place : place + len(words)]) == list(words) for place in places)


def _beyond(words: Sequence[str], asked: set[str]) -> list[str]:
    """Return the words, each once, that the question does not hold and that say something."""
    return [word for word in dict.fromkeys(words) if _singular(word) not in asked and word not in _FUNCTION_WORDS]


def _in_order(words: Sequence[str], said: Sequence[str]) -> bool:
    starts = (place for place, word in enumerate(said) if word == words[0])
    return any(_goes_on(words[1:], said, place) for place in starts)


def _goes_on(words: Sequence[str], said: Sequence[str], place: int) -> bool:
    for word in words:
        near = said[place + 1 : place + 2 + MOST_BETWEEN]
        if word not in near:
            return False
        place += 1 + near.index(word)
    return True


def _singular(word: str) -> str:
    return word.removesuffix("s")


def _words(text: str) -> list[str]:
    return text.lower().translate(_PUNCTUATION).split()
