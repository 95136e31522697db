"""How much better the version's answers are than the base's, on the questions that both sides have a score for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ragft.analysis.statistics.bounds import Told, deciding_bounds
from ragft.analysis.statistics.clusters import Array, ClusterSums, cluster_sums
from ragft.analysis.statistics.resampling import Resamples, draw, resample

# Scores closer than this are a tie: means of repeats differ by rounding.
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds that decide, in score points; above 0 is better.

    Attributes:
        low: The one-sided lower bound at alpha; with ``high`` the 1 - 2 alpha interval.
        high: The one-sided upper bound at alpha.
        claim_lows: Lower bounds at alpha / 1, alpha / 2, ... up to the size of the family, for Holm's procedure.
        veto_high: Upper bound at alpha over the number of slice tests; None where no veto can come from it.
        claim_highs: Upper bounds at alpha / 1, alpha / 2, ... up to the number of claims that can reject; empty in a
            comparison from before guards.
    """

    low: float
    high: float
    claim_lows: tuple[float, ...]
    veto_high: float | None = None
    claim_highs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Levels:
    """The error rates for which an analysis asks for bounds.

    Attributes:
        alpha: One-sided.
        family: How many claims of superiority Holm's procedure runs over; at least 1.
        vetoes: How many slice tests a veto is corrected for; 0 where there is none.
        rejecting: How many claims that reject Holm's procedure runs over; at least 1.
    """

    alpha: float = 0.025
    family: int = 1
    vetoes: int = 0
    rejecting: int = 1


@dataclass(frozen=True, slots=True)
class Resampling:
    """How many resamples, and where their random numbers start."""

    count: int = 9999
    seed: int = 0

    def of(self, sums: ClusterSums) -> Resamples:
        """Return the resamples of the clusters; the same weights for the same number of clusters."""
        return resample(sums, _weights(sums.totals.shape[1], self.count, self.seed))


# Few, because 9,999 resamples of 1,500 clusters are 120 MB; all criteria of a comparison share the same clusters.
@lru_cache(maxsize=4)
def _weights(clusters: int, count: int, seed: int) -> Array:
    weights = draw(clusters, count, np.random.default_rng([seed, clusters]))
    weights.setflags(write=False)
    return weights


@dataclass(frozen=True, slots=True)
class Effect:
    """The paired difference of one criterion; above 0 where the version is better, whatever the criterion's direction.

    Attributes:
        n: Questions with a score on both sides; at least 1.
        clusters: Connected components of their documents.
        largest: Questions of the largest cluster.
        icc: Intraclass correlation of the differences; None where it does not exist.
        base: Mean score of the base, on the criterion's own scale.
        version: Mean score of the version, on the criterion's own scale.
        gain: Mean difference.
        sd: Standard deviation of the differences between questions.
        effect_size: gain / sd; None when all differences are equal.
        low: Lower end of the 95 % interval of these questions, by `ragft.analysis.statistics.bounds`. What is shown and
            decided on are a result's ``bounds``, the same where no score is missing.
        high: Upper end.
        wins: Questions the version answers better; ``ties`` and ``losses`` the same.
    """

    n: int
    clusters: int
    largest: int
    icc: float | None
    base: float
    version: float
    gain: float
    sd: float
    effect_size: float | None
    low: float
    high: float
    wins: int
    ties: int
    losses: int


def measure(
    base: Array,
    version: Array,
    labels: Sequence[str],
    *,
    sign: float,
    extreme: float,
    alpha: float = 0.025,
    resampling: Resampling,
) -> Effect:
    """Return the effect of paired scores ``base`` and ``version`` [n], n at least 1, with their clusters' labels.

    ``sign`` is 1.0 where larger scores are better, -1.0 where smaller ones are; ``extreme`` the range of the
    criterion, the largest difference there can be; ``alpha`` the one-sided error rate of each end of the interval.
    """
    gains = gains_of(base, version, sign)
    sums = cluster_sums(gains, labels)
    decided = bounds(sums, resampling.of(sums), extreme, Levels(alpha))
    sd, icc = float(sums.sd[0]), float(sums.icc[0])
    gain = float(sums.mean[0])
    return Effect(
        n=len(gains),
        clusters=sums.totals.shape[1],
        largest=int(sums.sizes.max()),
        icc=None if np.isnan(icc) else icc,
        base=float(np.sort(base).mean()),
        version=float(np.sort(version).mean()),
        gain=gain,
        sd=sd,
        effect_size=gain / sd if sd > TIE else None,
        low=decided.low,
        high=decided.high,
        wins=int((gains > 0).sum()),
        ties=int((gains == 0).sum()),
        losses=int((gains < 0).sum()),
    )


def gains_of(base: Array, version: Array, sign: float) -> Array:
    """Return the differences, above 0 where the version is better; ties are exactly 0."""
    gains = sign * (version - base)
    return np.where(np.abs(gains) <= TIE, 0.0, gains)


def bounds(
    sums: ClusterSums, resamples: Resamples, extreme: float, levels: Levels, *, told: Told | None = None
) -> Bounds:
    """Return the deciding bounds of one study; ``resamples`` are its own, ``told`` is as in `deciding_bounds`."""
    below = [levels.alpha / rank for rank in range(1, levels.family + 1)]
    lows = deciding_bounds(sums, resamples, below, extreme, told=told)
    above = [1 - levels.alpha / rank for rank in range(1, levels.rejecting + 1)]
    above += [1 - levels.alpha / levels.vetoes] if levels.vetoes else []
    highs = deciding_bounds(sums, resamples, above, extreme, told=told)
    claim_lows, claim_highs = (tuple(float(bound) for bound in found[:, 0]) for found in (lows, highs))
    return Bounds(
        claim_lows[0],
        claim_highs[0],
        claim_lows,
        claim_highs[-1] if levels.vetoes else None,
        claim_highs[: levels.rejecting],
    )
