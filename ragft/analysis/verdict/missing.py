"""Scores that could not be read: how many, on which side, and what they could have hidden."""

from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.clusters import Array


@dataclass(frozen=True, slots=True)
class Missing:
    """Unscored answers of one criterion; the effect leaves out questions that lack a score on either side.

    Attributes:
        asked: Questions there are.
        base: Questions unscored on the base's side.
        version: Questions unscored on the version's side.
        dropped: Questions unscored on either side.
        p: p-value of the exact McNemar test that both sides miss equally many scores; 1.0 with nothing missing.
        worst_gain: The mean difference if every missing score were the worst possible one for the version.
        best_gain: The mean difference if every missing score were the best possible one for it.
    """

    asked: int
    base: int
    version: int
    dropped: int
    p: float
    worst_gain: float
    best_gain: float

    @property
    def share(self) -> float:
        """The share of questions that are left out, in [0, 1]."""
        return self.dropped / self.asked


def count_missing(base: Array, version: Array, worst_gains: Array, best_gains: Array) -> Missing:
    """Return what is missing of scores [n] in which NaN stands for unscored, n at least 1."""
    no_base, no_version = np.isnan(base), np.isnan(version)
    return Missing(
        asked=len(base),
        base=int(no_base.sum()),
        version=int(no_version.sum()),
        dropped=int((no_base | no_version).sum()),
        p=mcnemar(int((no_base & ~no_version).sum()), int((no_version & ~no_base).sum())),
        worst_gain=float(np.sort(worst_gains).mean()),
        best_gain=float(np.sort(best_gains).mean()),
    )


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the two-sided p-value of the exact McNemar test, from the two counts of discordant pairs."""
    pairs = only_one + only_other
    tail = sum(comb(pairs, count) for count in range(min(only_one, only_other) + 1))
    share: float = 2 * tail / 2**pairs
    return min(1.0, share)


def impute(base: Array, version: Array, *, worst: float, best: float, against: bool) -> tuple[Array, Array]:
    """Return both sides with each missing score at the end of the scale that is worst for the version.

    ``worst`` and ``best`` are the ends of the criterion's scale; ``against=False`` imputes what is best for the
    version instead.
    """
    for_base, for_version = (best, worst) if against else (worst, best)
    return _filled(base, for_base), _filled(version, for_version)


def _filled(scores: npt.NDArray[np.float64], value: float) -> Array:
    return np.where(np.isnan(scores), value, scores)
