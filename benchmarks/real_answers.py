"""What an answer of the studies in docs/real.md is made of, and what is counted of many."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragft.analysis.statistics.mean_interval import mean_of
from ragft.judging.abstention import abstains
from ragft.judging.outcomes import is_right, outcome_of
from ragft.judging.overlap import normalised_words
from ragft.judging.short_answers import gives, stands_in
from ragft.types import Question

LONG_QUOTE = 8
LOST = ("abstained", "after the first line", "training answer", "words of a passage", "other words")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """An answer with what it is held against.

    Attributes:
        passages: What was shown, as one text; "" for nothing.
        right: By the outcome; for a question without an answer, to abstain.
    """

    question: str
    text: str
    references: tuple[str, ...]
    passages: str
    answerable: bool
    right: bool

    @property
    def first_line(self) -> str:
        """The first line with anything on it."""
        return next((line for line in self.text.splitlines() if line.strip()), "")

    @property
    def words(self) -> list[str]:
        """The normalised words of the first line."""
        return normalised_words(self.first_line)

    @property
    def abstained(self) -> bool:
        """Whether it states nothing of what was asked."""
        return abstains(self.text, self.question)

    @property
    def quotes(self) -> bool:
        """Whether its first line stands word for word in what was shown."""
        return stands_in(self.words, normalised_words(self.passages))

    @property
    def quotes_at_length(self) -> bool:
        """Whether so many words in a row of the whole answer stand in what was shown."""
        said, shown = normalised_words(self.text), normalised_words(self.passages)
        runs = {tuple(shown[place : place + LONG_QUOTE]) for place in range(len(shown) - LONG_QUOTE + 1)}
        return any(tuple(said[place : place + LONG_QUOTE]) in runs for place in range(len(said) - LONG_QUOTE + 1))

    def repeats(self, taught: frozenset[tuple[str, ...]]) -> bool:
        """Return whether its first line is one of the training answers, and stands in nothing that was shown."""
        return tuple(self.words) in taught and not self.quotes

    def lost_to(self, taught: frozenset[tuple[str, ...]]) -> str:
        """Return what stands in the place of a right answer: one of `LOST`, the first that holds."""
        if self.abstained:
            return LOST[0]
        rest = self.text.partition(self.first_line)[2]
        if any(gives(rest, each, self.question) for each in self.references):
            return LOST[1]
        if self.repeats(taught):
            return LOST[2]
        return LOST[3] if self.quotes else LOST[4]


def taught_by(answers: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """Return the training answers as they are looked for; those that abstain are no answers."""
    return frozenset(tuple(normalised_words(each)) for each in answers if not abstains(each)) - {()}


def counted(answers: Sequence[Answered], taught: frozenset[tuple[str, ...]]) -> dict[str, float]:
    """Return the shares of the answers, their mean length in words, and how many there are."""
    found = {
        "right": [each.right for each in answers],
        "abstained": [each.abstained for each in answers],
        "quote": [each.quotes for each in answers],
        "long quote": [each.quotes_at_length for each in answers],
        "training answer": [each.repeats(taught) for each in answers],
    }
    shares = {name: sum(values) / len(values) for name, values in found.items()}
    return {"n": len(answers), **shares, "words": sum(len(each.text.split()) for each in answers) / len(answers)}


def lost(base: Sequence[Answered], tuned: Sequence[Answered], taught: frozenset[tuple[str, ...]]) -> dict[str, int]:
    """Return what stands where the base was right and the adapter is not, and how many it was right on alone.

    Both hold the same questions in one order; those without an answer are left out.
    """
    pairs = [(old, new) for old, new in zip(base, tuned, strict=True) if old.answerable]
    reasons = Counter(new.lost_to(taught) for old, new in pairs if old.right and not new.right)
    gained = sum(new.right and not old.right for old, new in pairs)
    return {**{name: reasons[name] for name in LOST}, "gained": gained}


def read_rows(rows: Sequence[Row], questions: Mapping[str, Question], context: str) -> list[Answered]:
    """Return a logged table of answers, graded by today's rule; in ``withheld`` no question can be answered."""
    found = []
    for row in rows:
        question, text = questions[row["id"]], str(row["output"] or "")
        abstained, answerable = abstains(text, question.text), question.answerable and context != "withheld"
        right = outcome_of(is_right(question, text), None, abstained=abstained) == "right" if answerable else abstained
        found.append(
            Answered(question.text, text, question.references, str(row["context"] or ""), answerable, bool(right))
        )
    return found


def change(
    base: Sequence[Answered], tuned: Sequence[Answered], labels: Sequence[str]
) -> dict[str, float | None] | None:
    """Return the change in right answers to questions that have one, with its interval; None where there are none.

    Args:
        base: Answers of the base.
        tuned: Those of the adapter, to the same questions in the same order.
        labels: The cluster of each question; questions that share a paragraph are one.
    """
    rows = [
        (float(new.right) - float(old.right), label)
        for old, new, label in zip(base, tuned, labels, strict=True)
        if old.answerable
    ]
    if not rows:
        return None
    mean = mean_of(np.array([gain for gain, _ in rows]), [label for _, label in rows])
    groups = len({label for _, label in rows})
    return {"gain": mean.value, "low": mean.low, "high": mean.high, "n": mean.n, "groups": groups}
