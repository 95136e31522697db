"""The official scorer of SQuAD 2.0: exact match and F1, where to refuse is to give the empty answer.

Rajpurkar, Jia, Liang 2018 (arXiv 1806.03822), evaluate-v2.0.py: the best of the annotators' answers counts; where there
is none, only the empty answer is right.
"""

from collections import Counter
from collections.abc import Sequence

from ragft.judging.abstention import abstains
from ragft.judging.overlap import normalised_words
from ragft.types import SCORER, Question

NAME = "squad"


def squad_metrics(question: Question, answer: str) -> dict[str, float | None]:
    """Return ``squad_exact`` and ``squad_f1`` of an answer, each in [0, 1]; nothing for other data.

    An answer that abstains is taken for the empty one, which the official format writes instead.
    """
    if question.metadata.get(SCORER) != NAME:
        return {}
    said = "" if abstains(answer, question.text) else answer
    gold = question.references if question.answerable else ()
    return {"squad_exact": squad_exact(said, gold), "squad_f1": squad_f1(said, gold)}


def squad_exact(prediction: str, gold: Sequence[str]) -> float:
    """Return 1.0 when the normalised words are those of one of the answers, else 0.0; without any, of the empty one."""
    return float(any(normalised_words(prediction) == words for words in _gold(gold)))


def squad_f1(prediction: str, gold: Sequence[str]) -> float:
    """Return the highest token F1 against one of the answers; where either side has no word, whether both have none."""
    return max(_f1(normalised_words(prediction), words) for words in _gold(gold))


def _gold(gold: Sequence[str]) -> list[list[str]]:
    """Return the words of each answer; answers without a word (``The``) are left out, as the official scorer does."""
    return [words for words in map(normalised_words, gold) if words] or [[]]


def _f1(predicted: Sequence[str], expected: Sequence[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    shared = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * shared / (len(predicted) + len(expected))
