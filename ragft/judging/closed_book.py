"""Whether an answer from memory is right: only for questions with a short answer."""

from typing import Literal

from ragft.judging.overlap import answer_f1, exact_match, normalised_words
from ragft.judging.short_answers import gives
from ragft.pocket.truth import truth_metrics
from ragft.types import Question

Verdict = Literal["right", "false", "silent"]
"""``silent``: nothing was stated, as in a refusal."""
# Longer references are sentences, which no model gives word by word from memory.
MOST_WORDS = 8


def applies(question: Question) -> bool:
    """Return whether a short reply can show what a model knows of the answer.

    True for telecom's questions about one fact and for questions with short answers (EntityQuestions, short answers of
    Natural Questions, factoids of BioASQ); otherwise there is no such thing as known or unknown.
    """
    if not question.answerable:
        return False
    if question.metadata.get("form") == "one_fact":
        return True
    return any(len(normalised_words(answer)) <= MOST_WORDS for answer in short_answers(question))


def short_answers(question: Question) -> tuple[str, ...]:
    """Return the short answers that the data set gives, best first; empty where it gives none."""
    given = question.metadata.get("short_answers")
    return tuple(given) if isinstance(given, list | tuple) else ()


def exemplar_answer(question: Question) -> str:
    """Return the answer that a solved example shows."""
    return (*short_answers(question), question.references[0])[0]


def verdict(question: Question, answer: str, *, contained: bool = False) -> Verdict:
    """Return what an answer says: for telecom by the programmatic truth, else by exact match of its first line.

    Args:
        question: One to which this applies.
        answer: What the model wrote.
        contained: Also accept a first line that gives a short answer in a sentence of its own
            (`ragft.judging.short_answers`): for models that answer in sentences.
    """
    truth = truth_metrics(question, answer)
    if truth:
        return "right" if truth["truth_right"] else "false" if truth["truth_wrong"] else "silent"
    line = next((line for line in answer.splitlines() if line.strip()), "")
    said, accepted = normalised_words(line), short_answers(question) or question.references
    if any(gives(line, each, question.text) for each in accepted) if contained else exact_match(line, accepted):
        return "right"
    return "false" if said else "silent"


def score(question: Question, answer: str) -> float:
    """Return how good an answer from memory is, in [0, 1]: 1.0 when it is right, where that can be told; else its F1.

    For a telecom question without an answer, a refusal is right.
    """
    truth = truth_metrics(question, answer)
    if truth:
        return float(truth["truth_right"] or 0.0)
    if applies(question):
        return float(verdict(question, answer, contained=True) == "right")
    return answer_f1(answer, question.references)
