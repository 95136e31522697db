"""Whether a comparison is to be believed at all; asked before what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal["dropped", "retrieval", "base", "judge"]
# A base that refuses at least this share of the questions whose evidence it was shown answers next to nothing.
MOST_REFUSED = 0.8
# Retrieval that finds evidence for a smaller share of the questions misses most of it.
LEAST_FOUND = 0.5
# More passages than this share did not fit the context window.
MOST_DROPPED = 0.25
# Shares of fewer questions say nothing.
LEAST_QUESTIONS = 10


@dataclass(frozen=True, slots=True)
class Refused:
    """How many answerable questions a side refused; ``side`` is what people call it."""

    side: str
    count: int


@dataclass(frozen=True, slots=True)
class Health:
    """What must be in order before scores mean anything, measured in the context that decides.

    Attributes:
        answerable: Questions that have an answer whose evidence was shown, as far as the data say what it is.
        refused: How many of them each side refused, the base first.
        known: Questions of which it is known what the evidence is.
        found: For how many of them retrieval found some.
        passages: Passages retrieved for all questions together.
        dropped: How many of them did not fit the context window.
        auc: Criterion -> how well its scores tell right from wrong answers of known worth (the canaries), in [0, 1];
            None where that is not known.
        of_files: True where the answers are another system's, and nobody here knows what it was shown.
        fooled: How canaries fooled the judge, a sentence each; empty where no judged criterion decides.
    """

    answerable: int = 0
    refused: tuple[Refused, ...] = ()
    known: int = 0
    found: int = 0
    passages: int = 0
    dropped: int = 0
    auc: Mapping[str, float | None] = field(default_factory=dict)
    fooled: tuple[str, ...] = ()
    of_files: bool = False

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What makes the scores worth nothing, what comes first in the pipeline first."""
        faults: list[Fault] = []
        if self.known >= LEAST_QUESTIONS and self.found < LEAST_FOUND * self.known:
            faults.append("retrieval")
        if self.dropped > MOST_DROPPED * self.passages:
            faults.append("dropped")
        if self.answerable >= LEAST_QUESTIONS and self.refused[0].count >= MOST_REFUSED * self.answerable:
            faults.append("base")
        if self.fooled:
            faults.append("judge")
        return tuple(faults)

    def why(self, fault: Fault) -> str:
        """Return what a fault is, as a sentence with its numbers."""
        if fault == "retrieval":
            return f"Retrieval found the evidence for only {self.found:,} of {self.known:,} questions."
        if fault == "dropped":
            return f"{self.dropped:,} of {self.passages:,} passages did not fit the context window and were not seen."
        if fault == "base":
            if self.of_files:
                return (
                    f"{self.refused[0].side} refused {self.refused[0].count:,} of {self.answerable:,} questions that "
                    "have an answer: it answers next to nothing."
                )
            return (
                f"{self.refused[0].side} refused {self.refused[0].count:,} of {self.answerable:,} questions that its "
                "passages answer: it does not read these documents."
            )
        return f"The judge cannot tell good from bad answers here: {self.fooled[0].rstrip('.')}."

    @property
    def few(self) -> bool:
        """True where so few questions have an answer that nobody can tell whether the base answers any."""
        return 0 < self.answerable < LEAST_QUESTIONS

    @property
    def line(self) -> str:
        """The state of the comparison in a line: evidence, passages, judge, refusals; only what was measured."""
        parts = []
        if self.known:
            share = _share(self.found, self.known)
            parts.append(
                f"retrieval found the evidence for {share if ' of ' in share else f'{share} of the'} questions"
            )
        if self.passages:
            shown = f"{_percent(self.dropped, self.passages)} of" if self.dropped else "none of"
            parts.append(f"{shown} the passages were left out for length")
        known = [f"{value:.2f} in {name}" for name, value in self.auc.items() if value is not None]
        if known:
            parts.append(
                f"the judge told answers known to be right from wrong ones with an AUC of {', '.join(known)} "
                "(1 is perfect, 0.5 is chance)"
            )
        if self.answerable:
            shares = (f"{each.side} refused {_share(each.count, self.answerable)}" for each in self.refused)
            parts.append(f"of the questions that have an answer, {' and '.join(shares)}")
        return "; ".join(parts)


def _share(part: int, whole: int) -> str:
    """Return a share; of few, the count says what a percentage would hide."""
    return _percent(part, whole) if whole >= LEAST_QUESTIONS else f"{part} of {whole}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"
