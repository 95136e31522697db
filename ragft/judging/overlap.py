"""Overlap of an answer with its references: the official Qasper answer F1, and exact match.

Both compare normalised words and take the best of several references (Dasigi et al. 2021,
arXiv 2105.03011, after SQuAD's answer normalisation).
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised_words(text: str) -> list[str]:
    """Return the words that are compared: lower case, without ASCII punctuation and articles.

    Punctuation is deleted, not replaced by a space: ``multi-lingual`` becomes ``multilingual``.
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def answer_f1(prediction: str, references: Sequence[str]) -> float:
    """Return the highest token F1 of the answer against one of its references.

    Returns:
        A number in [0, 1]; 0.0 when no word is shared, so also for an empty answer.

    Raises:
        ValueError: If there are no references.
    """
    return max(_token_f1(prediction, reference) for reference in _at_least_one(references))


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """Return 1.0 when the normalised words equal those of one of the references, in order, else 0.0.

    An answer without words matches no reference, not even one that is punctuation only.

    Raises:
        ValueError: If there are no references.
    """
    words = normalised_words(prediction)
    return float(bool(words) and any(words == normalised_words(reference) for reference in _at_least_one(references)))


# Metric -> how an answer is scored against its references: a number, larger is better.
OVERLAP: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "answer_f1": answer_f1,
    "exact_match": exact_match,
}


def overlap(prediction: str, references: Sequence[str]) -> dict[str, float | None]:
    """Return every measure of an answer by name, None where there is no reference."""
    return {name: score(prediction, references) if references else None for name, score in OVERLAP.items()}


def _token_f1(prediction: str, reference: str) -> float:
    predicted, expected = normalised_words(prediction), normalised_words(reference)
    shared = sum((Counter(predicted) & Counter(expected)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def _at_least_one(references: Sequence[str]) -> Sequence[str]:
    if isinstance(references, str):
        raise TypeError(f"references must be a sequence of texts, not the text {references[:40]!r}")
    if not references:
        raise ValueError("there are no references to compare the answer with")
    return references
