"""Whether a line of text gives a short answer, in whatever sentence a model puts it.

Made on 320 answers of SmolLM2 and its adapters that were graded by reading, and measured on others
(``tests/data/graded``, docs/metrics.md). It knows words and their forms, not meanings: "people" are not "citizens".
"""

import re
import string
from collections.abc import Sequence

import Stemmer

from ragft.folding import normal_form
from ragft.judging.abbreviations import apart, spelled_out
from ragft.judging.abstention import abstains
from ragft.judging.overlap import normalised_words

# Between two words of an answer a sentence may put so many others: "free movement and trade" for "free trade".
MOST_BETWEEN = 3
_FUNCTION_WORDS = frozenset(
    {"about", "also", "and", "are", "around", "as", "at", "be", "been", "between", "by", "for", "from", "in", "into"}
    | {"is", "it", "its", "of", "on", "or", "than", "that", "then", "this", "to", "was", "were", "which", "who", "with"}
    | {"versus", "vs"}
)
# From two on: "one" is a pronoun too.
_NUMBERS = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
# From the fourth on, whose number ends in "th".
_ORDINALS = (
    "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth",
    "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip
_MULTIPLES = frozenset({"hundred", "thousand", "million", "billion"})
# Words that are compared as another one.
_SAME = {
    "not": "no",
    **{word: str(number) for number, word in enumerate(_NUMBERS, 2)},
    "first": "1st",
    "second": "2nd",
    "third": "3rd",
    **{word: f"{number}th" for number, word in enumerate(_ORDINALS, 4)},
}
_LEADING_ARTICLE = re.compile(r"^\s*(?:a|an|the)\s+(?=\S)", re.IGNORECASE)
_NEGATIONS = frozenset({"no", "none"})
_PUNCTUATION = str.maketrans("", "", string.punctuation)


# What is written in two ways, and what deleting punctuation would make another number or name of.
_ONE_WAY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2014": "-", "\u2212": "-"})
_MEANS = (
    (re.compile(r"(?<=\d)\.(?=\d)"), "point"),  # 1.5 is not 15
    (re.compile(r"(?<![\w)])-(?=\d)"), "minus"),
    (re.compile(r"(?<=[a-z])\+", re.IGNORECASE), "plus"),
    (re.compile(r"(?<=[a-z])#", re.IGNORECASE), "sharp"),
)


def gives(line: str, answer: str, question: str) -> bool:
    """Return whether a line gives an answer to a question.

    One of these holds: the line is the answer; the answer stands in it as whole words; or what the answer says beyond
    the question stands in it, in order and close together. Words are compared by their stems (Snowball's for English),
    numbers from two to twenty as digits, and an abbreviation or a word with a hyphen on one side as what it is on the
    other. A "no" is not given by saying that there is no answer.
    """
    line, answer, question = (_as_meant(text) for text in (line, answer, question))
    if not normalised_words(answer):
        # Normalisation takes away the choice "A", and a sign.
        return _words(answer) in (["a"], []) and _words(line) == _words(answer) and line[:1] == answer[:1] != ""
    sides = [(line, answer)]
    for told in (spelled_out, apart):
        sides += [(told(line, answer), answer), (line, told(answer, line))]
    return any(_gives(said, wanted, question) for said, wanted in dict.fromkeys(sides))


def _as_meant(text: str) -> str:
    """Return a text in which what punctuation means is written in letters, and each character in one way."""
    text = normal_form("NFKC", text).translate(_ONE_WAY)
    for sign, word in _MEANS:
        text = sign.sub(word, text)
    return text


def _gives(line: str, answer: str, question: str) -> bool:
    said, words, asked = _stems(line), _stems(answer), set(_stems(question))
    told = [word for word in dict.fromkeys(words) if word not in asked and word not in _FUNCTION_WORDS]
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


def _stems(text: str) -> list[str]:
    """Return the normalised words by their stems; a word of a function keeps its own form."""
    # Half a character (a lone surrogate), which JSON can hold, is none that a stemmer takes.
    words = normalised_words(text.encode("utf-8", "replace").decode("utf-8"))
    behind = [*words[1:], ""][: len(words)]
    # "Two hundred" is not 2.
    words = [word if after in _MULTIPLES else _SAME.get(word, word) for word, after in zip(words, behind, strict=True)]
    # One for each call: it is not safe in several threads, and costs a microsecond.
    stem = Stemmer.Stemmer("english").stemWord
    return [word if word in _FUNCTION_WORDS else stem(word) for word in words]


def _words(text: str) -> list[str]:
    return text.lower().translate(_PUNCTUATION).split()
