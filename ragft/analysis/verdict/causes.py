"""Why a version was rejected, as far as its comparison says it: the harm it does, and where its losses come from."""

from dataclasses import dataclass

from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING

MEMORY = "memory"
GOOD_CONTEXT = "use of good context"
DISTRACTION = "distractor robustness"
RETRIEVAL = "retrieval"
# It was trained on questions alone, and answers with passages.
UNSEEN = "passages not seen in training"
# Cause -> what it means. The names are those of the guards, and of the terms of an attribution.
CAUSES = {
    FALSE_ANSWERS: "it invents answers where no passage has one",
    FALSE_REFUSALS: "it refuses questions that its passages answer",
    FORGETTING: "it forgot what it knew before training",
    MEMORY: "its answers without passages score lower",
    GOOD_CONTEXT: "it makes less of passages that hold the answer",
    DISTRACTION: "it is distracted by passages that do not hold the answer",
    RETRIEVAL: "it copes worse with what retrieval finds or misses",
    UNSEEN: "it was trained on questions alone, without the passages that it is given in use",
}
CLOSED_BOOK = "closed_book"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a rejection.

    Attributes:
        name: One of `CAUSES`.
        evidence: The numbers that show it, as the end of a sentence; "" where it is known without any.
    """

    name: str
    evidence: str = ""

    @property
    def words(self) -> str:
        """What it means, and the numbers."""
        return CAUSES[self.name] + (f": {self.evidence}" if self.evidence else "")


def causes_of(comparison: Comparison, form: str) -> tuple[Cause, ...]:
    """Return the causes of a rejection: harm first, then the terms of each loss, the largest first.

    A loss whose terms were not measured, or none of which can be told from 0, has a cause only where the version was
    trained in another ``form`` than it is used: `UNSEEN`, of a version trained closed-book. Empty where no cause is
    known.
    """
    claims = comparison.claims
    found = [
        Cause(
            guard.name,
            f"{100 * guard.effect.base:.0f} → {100 * guard.effect.version:.0f} % of {guard.effect.n:,} questions",
        )
        for guard in comparison.guards
        if guard.name in claims.harmful and guard.effect
    ]
    terms = [
        (term, attribution)
        for attribution in comparison.attributions
        if attribution.criterion in claims.worse
        for term in attribution.terms
        if term.high < 0
    ]
    for term, attribution in sorted(terms, key=lambda each: each[0].value):
        # A context in between was not measured: the term is one or the other, and no experiment follows from it.
        if term.name in CAUSES and term.name not in {each.name for each in found}:
            shown = f"{term.value:+.2f} ({term.low:+.2f} to {term.high:+.2f}) {attribution.criterion}"
            found.append(Cause(term.name, f"{shown}, {attribution.n:,} questions"))
    explained = {attribution.criterion for term, attribution in terms if term.name in CAUSES}
    if form == CLOSED_BOOK and set(claims.worse) - explained:
        found.append(Cause(UNSEEN))
    return tuple(found)
