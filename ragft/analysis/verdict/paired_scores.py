"""The scores of both sides on one scale, question by question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.clusters import Array, ClusterSums, cluster_sums
from ragft.analysis.verdict.effect import Bounds, Effect, Levels, Resampling, bounds, gains_of, measure
from ragft.analysis.verdict.missing import Missing, count_missing, impute
from ragft.analysis.verdict.power import Spread, spread_of
from ragft.analysis.verdict.scale import Measured


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Paired scores.

    Attributes:
        ids: The questions that were asked.
        base: Scores of the base, [questions]; NaN is unscored.
        version: Scores of the version, [questions]; NaN is unscored.
        labels: The cluster of each question.
        scale: What they are scores of.
    """

    ids: tuple[str, ...]
    base: Array
    version: Array
    labels: tuple[str, ...]
    scale: Measured

    @property
    def sign(self) -> float:
        """1.0 where larger scores are better, else -1.0."""
        return 1.0 if self.scale.direction == "higher" else -1.0

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """True where both sides have a score, [questions]."""
        return ~(np.isnan(self.base) | np.isnan(self.version))

    def only(self, keep: npt.NDArray[np.bool_] | Sequence[bool]) -> "Pairs":
        """Return the questions for which ``keep`` holds."""
        mask = np.asarray(keep, dtype=np.bool_)
        ids, labels = (tuple(compress(names, mask)) for names in (self.ids, self.labels))
        return Pairs(ids, self.base[mask], self.version[mask], labels, self.scale)

    def swapped(self) -> "Pairs":
        """Return the pairs with the sides exchanged: what was a gain is a loss."""
        return Pairs(self.ids, self.version, self.base, self.labels, self.scale)

    def gains(self) -> Array:
        """Return the differences, above 0 where the version is better, [questions]; NaN where a score is missing."""
        return gains_of(self.base, self.version, self.sign)

    def missing(self) -> Missing:
        """Return what is unscored; there must be a question."""
        return count_missing(self.base, self.version, self._imputed(against=True), self._imputed(against=False))

    def effect(self, alpha: float, resampling: Resampling) -> Effect | None:
        """Return the effect on the questions that both sides have a score for; None where there is none."""
        kept = self.only(self.complete)
        if not kept.labels:
            return None
        extreme = self.scale.range
        return measure(
            kept.base, kept.version, kept.labels, sign=self.sign, extreme=extreme, alpha=alpha, resampling=resampling
        )

    def spread(self, source: str) -> Spread | None:
        """Return how the differences vary; None with fewer than two questions scored on both sides."""
        kept = self.only(self.complete)
        if len(kept.labels) < 2:
            return None
        gains = kept.gains()
        cost = float(gains.mean()) - self.missing().worst_gain
        return spread_of(gains, kept.labels, source, extreme=self.scale.range, cost=cost)

    def bounds(self, levels: Levels, resampling: Resampling) -> Bounds:
        """Return bounds that hold whatever the missing scores were; there must be a question.

        The lower ones are those of the gains with every missing score imputed against the version, the upper ones
        of those imputed for it.
        """
        against = self._bounds(self._imputed(against=True), levels, resampling)
        if self.complete.all():
            return against
        in_favour = self._bounds(self._imputed(against=False), levels, resampling)
        return replace(against, high=in_favour.high, veto_high=in_favour.veto_high, claim_highs=in_favour.claim_highs)

    def _imputed(self, *, against: bool) -> Array:
        scale = self.scale
        base, version = impute(self.base, self.version, worst=scale.worst, best=scale.best, against=against)
        return gains_of(base, version, self.sign)

    def _bounds(self, gains: Array, levels: Levels, resampling: Resampling) -> Bounds:
        sums: ClusterSums = cluster_sums(gains, self.labels)
        return bounds(sums, resampling.of(sums), self.scale.range, levels)
