"""The bootstrap over clusters: whole clusters are drawn with replacement, for many studies at once."""

from dataclasses import dataclass

import numpy as np

from ragft.analysis.statistics.clusters import Array, ClusterSums

# A resample whose spread is below this share of its sum of squares has none: what is left is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """Sorted statistics of the resamples.

    Attributes:
        ratios: (mean - original mean) / standard error of the resample, [resamples, studies]; infinite where
            all clusters drawn have the same mean.
        error: Standard error of the original means by the formula the ratios use, [studies].
    """

    ratios: Array
    error: Array


def draw(clusters: int, resamples: int, rng: np.random.Generator) -> Array:
    """Return how often each cluster is drawn, [resamples, clusters]; each row sums to ``clusters``."""
    picks = rng.integers(0, clusters, size=(resamples, clusters))
    picks += np.arange(resamples)[:, None] * clusters
    counts = np.bincount(picks.ravel(), minlength=resamples * clusters)
    return counts.reshape(resamples, clusters).astype(np.float64)


def resample(sums: ClusterSums, weights: Array) -> Resamples:
    """Return the statistics of the resamples that ``weights`` [resamples, clusters] describe."""
    clusters = weights.shape[1]
    correction = clusters / (clusters - 1) if clusters > 1 else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of empty clusters only
        sizes = weights @ sums.sizes.T
        means = weights @ sums.totals.T / sizes
        square = weights @ (sums.totals**2).T
        spread = (
            square - 2 * means * (weights @ (sums.totals * sums.sizes).T) + means**2 * (weights @ (sums.sizes**2).T)
        )
        spread[spread <= ROUNDING * (square + means**2 * sizes**2 / clusters)] = 0.0
        shift = means - sums.mean
        shift[np.abs(shift) <= ROUNDING * (np.abs(means) + np.abs(sums.mean))] = 0.0
        ratios = shift * sizes / np.sqrt(correction * spread)
    ratios[np.isnan(ratios)] = 0.0
    residuals = sums.totals - sums.sizes * sums.mean[:, None]
    error = np.sqrt(correction * (residuals**2).sum(axis=1)) / sums.n
    ratios.sort(axis=0)
    return Resamples(ratios, error)


def studentised_bound(sums: ClusterSums, resamples: Resamples, level: float) -> Array:
    """Return the bound below which the mean lies with probability ``level``, [studies]: the bootstrap-t.

    Efron (1981), Canadian Journal of Statistics 9, 139-172. Infinite where the resamples do not say.
    """
    count = len(resamples.ratios)
    # The rank is rounded outwards, so that too few resamples never narrow the interval.
    rank = (1 - level) * (count + 1)
    index = int(np.ceil(rank - 1e-9) if level < 0.5 else np.floor(rank + 1e-9)) - 1
    if not 0 <= index < count:
        return np.full(sums.n.shape, -np.inf if level < 0.5 else np.inf)
    with np.errstate(invalid="ignore"):
        bound = sums.mean - resamples.ratios[index] * resamples.error
    return np.where(resamples.error > 0, bound, sums.mean)
