"""What became of a question: it was answered rightly, answered wrongly, or not answered; and which of these do harm.

Two rates follow for every data set. **False answers**: of the questions that the passages cannot answer, those that got
an answer all the same. **False refusals**: of those whose evidence was shown, those that got none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ragft.judging import closed_book
from ragft.judging.overlap import normalised_words
from ragft.judging.short_answers import gives
from ragft.pocket.truth import truth_metrics
from ragft.prompts.criterion import Criterion
from ragft.types import SCORER, Question

Outcome = Literal["right", "wrong", "abstained"]
Guard = Literal["false_answer", "false_refusal"]
# The criterion whose score says whether an answer is right, where no rule without a judge does.
JUDGED_BY = "accuracy"
# At least so far up its scale: 4 of 1 to 5.
RIGHT_FROM = 0.75
# What people are asked in place of the outcome. No judge is: it has `JUDGED_BY`.
RIGHT = Criterion(
    name="right",
    definition=(
        "Is somebody who asked this told the right answer? In whatever words, and by what is said first. A part counts "
        "where it fully answers. Where 'Unanswerable' is accepted, the question has no answer: right is then to say so "
        "or to state nothing. Where no accepted answer is shown, go by what you know."
    ),
    steps=(),
    scores={"yes": 1.0, "no": 0.0},
    meanings={"yes": "is told the right answer", "no": "is told another, none, or a part that does not answer"},
    direction="higher",
    sees=("question", "reference", "passages"),
)


def gradable(criteria: Sequence[Criterion], primary: Collection[str]) -> list[Criterion]:
    """Return what people can grade of the primaries: judged criteria, and whether an answer is right."""
    return [each for each in (*criteria, RIGHT) if each.name in primary]


def is_right(question: Question, answer: str) -> bool | None:
    """Return whether an answer is right by the best rule that needs no judge; None where there is no such rule.

    The programmatic truth of telecom; else the short answers of the data set, as the answer's first line gives them
    (`ragft.judging.short_answers`); else a reference of at most eight words that the answer gives, which can only say
    yes.
    """
    if not question.answerable:
        return None
    if truth := truth_metrics(question, answer):
        return bool(truth["truth_right"])
    if closed_book.applies(question) or SCORER in question.metadata:
        return closed_book.verdict(question, answer, contained=True) == "right"
    short = [each for each in question.references if len(normalised_words(each)) <= closed_book.MOST_WORDS]
    return True if any(gives(answer, each, question.text) for each in short) else None


def rule_tells(question: Question) -> bool:
    """Return whether `is_right` says of every answer to a question whether it is right, and not yes alone."""
    if not question.answerable or closed_book.applies(question) or SCORER in question.metadata:
        return True
    return bool(truth_metrics(question, ""))


def outcome_of(right: bool | None, judged: bool | None, *, abstained: bool) -> Outcome | None:
    """Return what became of a question; None where something was answered and nothing tells whether it is right.

    Args:
        right: By `is_right`.
        judged: By `judged_right`; asked where ``right`` is None.
        abstained: By `ragft.judging.abstention.abstains`.
    """
    if right:
        return "right"
    if abstained:
        return "abstained"
    verdict = judged if right is None else right
    return None if verdict is None else "right" if verdict else "wrong"


def judged_right(criterion: Criterion, score: float | None) -> bool | None:
    """Return whether a judge's score says that an answer is right: at least three quarters up the scale."""
    if score is None:
        return None
    return abs(score - criterion.worst) >= RIGHT_FROM * criterion.range


@dataclass(frozen=True, slots=True)
class AtTheCut:
    """How often a judge and people agree on whether answers are right.

    Attributes:
        right: Answers that people call right.
        wrong: Answers that they do not.
        missed: Of the right ones, those that the judge calls wrong.
        passed: Of the wrong ones, those that the judge calls right.
    """

    right: int
    wrong: int
    missed: int
    passed: int

    @property
    def sentence(self) -> str:
        """The counts in words."""
        asked = self.right + self.wrong
        return (
            f"as right or wrong, judge and people agree on {asked - self.missed - self.passed} of {asked} answers: it "
            f"calls {self.missed} of {self.right} right ones wrong, and {self.passed} of {self.wrong} wrong ones right"
        )


def at_the_cut(
    criterion: Criterion, judge: Sequence[float | None], people: Sequence[float | None], *, yes_no: bool = False
) -> AtTheCut | None:
    """Return how often both sides call the same answers right; None where no answer has a score of both.

    Args:
        criterion: Its scale is that of the judge's scores.
        judge: A score of each answer; None where there is none.
        people: Their mean of each answer, on the same scale.
        yes_no: True where people said 1 for right and 0 for wrong instead.
    """
    pairs = [
        (judged_right(criterion, score), said >= 0.5 if yes_no else judged_right(criterion, said))
        for score, said in zip(judge, people, strict=True)
        if score is not None and said is not None
    ]
    if not pairs:
        return None
    right = [called for called, is_so in pairs if is_so]
    wrong = [called for called, is_so in pairs if not is_so]
    return AtTheCut(len(right), len(wrong), right.count(False), wrong.count(True))


def harm_of(guard: Guard, outcome: Outcome | None) -> float:
    """Return 1.0 where an answer does the harm that a guard counts, else 0.0.

    An answer that the passages cannot support counts as false unless it is shown to be right, from memory.
    """
    if guard == "false_refusal":
        return float(outcome == "abstained")
    return float(outcome not in ("abstained", "right"))
