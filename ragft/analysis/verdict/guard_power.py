"""What the questions of a guard can show: the smallest rise of harm that rejects, and the chance to be found safe.

Differences of 0 and 1 vary the more, and keep to their documents the more, the more of them there are. What was seen of
a version that does no more harm is therefore carried over to one that does, by a probit model with a random effect for
each document: a question changes for the worse or the better where a normal variable lies beyond one of two cuts, and
part of that variable belongs to the document.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, roots_hermitenorm

from ragft.analysis.statistics.clusters import cluster_sums
from ragft.analysis.verdict.effect import Levels
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.power import WANTED, Power, chance, power, sample_of

NODES, WEIGHTS = roots_hermitenorm(41)
MOST_SHARED = 0.95


@dataclass(frozen=True, slots=True)
class Turns:
    """Which share of the questions turns to harm, and which turns from it."""

    worse: float
    better: float

    @property
    def variance(self) -> float:
        """The variance of the differences."""
        return self.worse + self.better - (self.worse - self.better) ** 2

    @property
    def skew(self) -> float:
        """The skewness of the differences, above 0 where a rise is rare; 0.0 where they are all alike."""
        rise = self.worse - self.better
        still = 1 - self.worse - self.better
        third = self.worse * (1 - rise) ** 3 - self.better * (1 + rise) ** 3 - still * rise**3
        return third / self.variance**1.5 if self.variance > 0 else 0.0

    def icc(self, shared: float) -> float:
        """Return the intraclass correlation when ``shared`` of the normal variable belongs to the document."""
        if self.variance <= 0:
            return 0.0
        effect, own = np.sqrt(shared) * NODES, np.sqrt(1 - shared)
        means = ndtr((ndtri(self.worse) + effect) / own) - ndtr((ndtri(self.better) - effect) / own)
        between = WEIGHTS @ (means - (self.worse - self.better)) ** 2 / WEIGHTS.sum()
        return float(between / self.variance)

    def shared(self, icc: float) -> float:
        """Return how much of the normal variable belongs to the document, from the intraclass correlation."""
        if icc <= 0 or self.variance <= 0:
            return 0.0
        if icc >= self.icc(MOST_SHARED):
            return MOST_SHARED
        return float(brentq(lambda shared: self.icc(shared) - icc, 0.0, MOST_SHARED, xtol=1e-4))


def guard_power(pairs: Pairs, margin: float, levels: Levels) -> Power | None:
    """Return what the questions of a guard can show; None with fewer than two questions or clusters.

    ``margin`` is a share. Its ``smallest_difference`` is the smallest rise that rejects with a chance of 80 %, at alpha
    over the number of claims that reject; None where none does.
    """
    sizes = np.unique(pairs.labels, return_counts=True)[1]
    spread, swapped = pairs.spread("this comparison"), pairs.swapped().spread("this comparison")
    if spread is None or swapped is None or len(sizes) < 2:
        return None
    found = power(sizes, spread, margin=margin, alpha=levels.alpha)
    # Where all questions turned to harm, none is left that could be unseen, and a handful seems to do. Without a
    # difference it takes at least what it takes where both sides do the same.
    same = replace(pairs, base=np.zeros(len(pairs.ids)), version=np.zeros(len(pairs.ids))).spread(spread.source)
    if same is not None:
        least = power(sizes, same, margin=margin, alpha=levels.alpha)
        numbers = (found.n_for_margin, least.n_for_margin)
        found = replace(
            found,
            chance_at_margin=min(found.chance_at_margin, least.chance_at_margin),
            n_for_margin=None if None in numbers else max(number for number in numbers if number is not None),
        )
    still, shared, most = _without_a_rise(pairs)

    def missed(rise: float) -> float:
        turns = Turns(still.worse + rise, still.better)
        seen = replace(
            swapped,
            sd=float(np.sqrt(turns.variance)),
            icc=max(turns.icc(shared), 0.0),
            skew=turns.skew / float(np.sqrt(sizes.mean())),
        )
        return WANTED - chance(rise - margin, sample_of(sizes, seen), levels.alpha / levels.rejecting)

    if most <= margin or missed(most) > 0:
        return replace(found, smallest_difference=None)
    return replace(found, smallest_difference=float(brentq(missed, margin, most, xtol=1e-4)))


def _without_a_rise(pairs: Pairs) -> tuple[Turns, float, float]:
    """Return the turns of a version as harmful as the base, how much a document shares, and the largest rise.

    What turns both ways stays; what turns one way, beyond its own noise, is taken for the rise that was seen.
    """
    told = pairs.only(pairs.complete)
    sums, harm = (cluster_sums(values, told.labels) for values in (told.gains(), told.base))
    changed, gain = float((told.gains() != 0).mean()), float(sums.mean[0])
    real = float(np.sqrt(max(gain**2 - changed / len(told.ids), 0.0)))
    seen = Turns((changed - gain) / 2, (changed + gain) / 2)
    rate = float(told.base.mean())
    iccs = [float(np.nan_to_num(each.icc[0])) for each in (sums, harm)]
    shared = max(seen.shared(iccs[0]), Turns(rate, 0.0).shared(iccs[1]))
    still = Turns((changed - real) / 2, (changed - real) / 2)
    return still, shared, 1 - max(changed - real, rate) - 1e-6
