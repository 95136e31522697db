"""Which answers may leave: the laxest threshold of a verifier's scores at which few of them are wrong.

Learn then Test (Angelopoulos et al. 2021, arXiv 2110.01052) with fixed-sequence testing. The thresholds are quantiles
of the scores, never of what is right, and are tested from the strictest on. At each one the hypothesis is that of the
answers that leave, those with a score above it, more than ``limit`` are wrong; it is rejected where so few wrong ones
would be rarer than 1 - ``confidence``. The first one that is not rejected ends the sequence, and the last one that was
is the threshold: so testing many costs nothing.

What is guaranteed: over samples of questions like these, drawn by documents, with probability ``confidence`` or more
no threshold is chosen at which more than ``limit`` of the leaving answers to such questions are wrong. It is exact for
independent answers and thresholds fixed beforehand. For answers that share documents the binomial is that of survey
statistics (`ragft.analysis.statistics.proportions`), which is an approximation: docs/verified.md shows how often it
breaks its promise in simulated worlds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.proportions import Sample, correlation, sample, tail

# How many thresholds are tried: the strictest lets a twentieth of the answers leave.
STEPS = 20
# What is assumed of answers of one document before anything is known of them: as alike as in most surveys at the most.
USUAL_RHO = 0.5
# No number of dev questions above this is named.
MOST_NEEDED = 1_000_000
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Checked:
    """Answers with a verifier's scores; abstentions are not among them.

    Attributes:
        scores: How well each is supported, [n], larger is better; -inf where the verifier has no score.
        wrong: 1.0 where the answer is wrong, else 0.0, [n].
        labels: The cluster of each one's question.
        asked: How many questions were asked, those with an abstention included.
    """

    scores: Array
    wrong: Array
    labels: Sequence[str]
    asked: int

    @cached_property
    def _codes(self) -> npt.NDArray[np.int64]:
        """The number of each one's cluster: numbers are sorted faster than names."""
        return np.unique(np.asarray(self.labels), return_inverse=True)[1]

    def above(self, threshold: float) -> Sample:
        """Return the answers that leave: those with a score above ``threshold``."""
        leaves = self.scores > threshold
        return sample(self.wrong[leaves], self._codes[leaves])

    @property
    def auc(self) -> float | None:
        """How often a right answer has a higher score than a wrong one, ties half; None where all are alike."""
        wrong, right = float(self.wrong.sum()), float((1 - self.wrong).sum())
        if not wrong or not right:
            return None
        ranks = rankdata(self.scores)
        return float((ranks[self.wrong == 0].sum() - right * (right + 1) / 2) / (right * wrong))

    @property
    def rho(self) -> float:
        """How alike answers of one document are in being wrong: of all of them, so that it is known for any part."""
        return correlation(self.wrong, self.labels)


@dataclass(frozen=True, slots=True)
class Tested:
    """A threshold and the answers above it.

    Attributes:
        p: How likely so few wrong ones would be if more than the limit were wrong; None where it was not tested.
    """

    threshold: float
    leaving: Sample
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tested, from the strictest threshold on, and what came of it.

    Attributes:
        tested: Up to and with the first threshold that was not rejected.
        rho: The correlation that the design effects are made with.
        chosen: The laxest threshold that keeps the promise; None where none does.
        needed: Where none does: the fewest dev questions that would do, by these; None where no number would.
        best: Where none does: the part that a threshold would have to let leave.
    """

    tested: tuple[Tested, ...]
    rho: float
    chosen: Tested | None
    needed: int | None = None
    best: Tested | None = None


def thresholds(scores: Array) -> list[float]:
    """Return the thresholds to be tested, from the strictest on: scores above which 1/20, 2/20, ... of them lie.

    Each is one of the ``scores`` [n], and answers with that very score do not leave, so that those above it are as if
    drawn from all that could lie there. Below the last one is -inf: every answer that has a score leaves.
    """
    known = np.sort(scores[np.isfinite(scores)])[::-1]
    if not len(known):
        return []
    places = [-(-len(known) * step // STEPS) for step in range(1, STEPS)]
    found = [float(known[place]) for place in places if place < len(known)]
    return [*dict.fromkeys(found), -np.inf]


def choose(checked: Checked, limit: float, confidence: float) -> Choice:
    """Return the laxest threshold at which, with ``confidence``, at most ``limit`` of what leaves is wrong.

    Both are shares in (0, 1). The sequence begins where enough answers leave to do if none of them were wrong and those
    of one document were as alike as `USUAL_RHO`, so that the beginning does not depend on what is right. Where they are
    more alike, a threshold at which no outcome would do is passed over: it ends no sequence.
    """
    alpha, rho = 1 - confidence, checked.rho
    tested: list[Tested] = []
    for each in _from_the_first(checked, limit, alpha):
        n = each.leaving.effective(rho, confidence)
        if n < fewest(limit, alpha):
            continue
        p = tail(n, n * each.leaving.share, limit)
        tested.append(Tested(each.threshold, each.leaving, p))
        if p > alpha:
            break
    passed = [each for each in tested if each.p is not None and each.p <= alpha]
    if passed:
        return Choice(tuple(tested), rho, passed[-1])
    return _refused(checked, tested, rho, limit, alpha)


def fewest(limit: float, alpha: float) -> float:
    """Return how many independent answers, none of them wrong, keep a promise."""
    return float(np.log(alpha) / np.log1p(-limit))


def _from_the_first(checked: Checked, limit: float, alpha: float) -> Iterator[Tested]:
    """Yield the thresholds from the one at which enough answers leave."""
    enough = False
    for threshold in thresholds(checked.scores):
        leaving = checked.above(threshold)
        enough = enough or leaving.effective(USUAL_RHO, 1 - alpha) >= fewest(limit, alpha)
        if enough:
            yield Tested(threshold, leaving)


def _refused(checked: Checked, tested: Sequence[Tested], rho: float, limit: float, alpha: float) -> Choice:
    """Return the choice where no threshold will do, with the part that would need the fewest dev questions.

    With more of them the sequence begins at a stricter threshold, so no part is looked at that is laxer than the one
    at which it ended. Where too few answers leave to begin, that is all of them.
    """
    ended = tested[-1].threshold if tested else -np.inf
    parts = [Tested(each, checked.above(each)) for each in thresholds(checked.scores) if each >= ended]
    every = [(_needed(part.leaving, checked.asked, rho, limit, alpha), part) for part in parts if part.leaving.n]
    enough = [(needed, part) for needed, part in every if needed is not None]
    if not enough:
        return Choice(tuple(tested), rho, None, None, parts[-1] if parts else None)
    needed, best = min(enough, key=lambda each: each[0])
    return Choice(tuple(tested), rho, None, needed, best)


def _needed(part: Sample, asked: int, rho: float, limit: float, alpha: float) -> int | None:
    """Return how many dev questions show that a share below the limit is below it; None where it is not, or above 1e6.

    As many of them leave, and as many of those are wrong, as in this part; documents are as large.
    """
    if part.share >= limit:
        return None
    least = n = fewest(limit, alpha)
    while tail(n, n * part.share, limit) > alpha + ROUNDING and n < MOST_NEEDED:
        n *= 1.01
    answers = max(n * part.design_effect(rho), least * part.design_effect(USUAL_RHO))
    needed = int(np.ceil(answers * asked / part.n))
    return max(needed, asked + 1) if needed <= MOST_NEEDED else None
