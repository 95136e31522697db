"""How skewed the error of a clustered mean is, and how much of that documents of unequal size hide.

The third moment of the clusters' totals rests on the few largest of them. Where losses are rare but large, most samples
show none in a large document, and look less skewed than what they were drawn from; no bootstrap of the documents can
know better. The shape of a total can, if it is learned from all of them: divide each by the standard deviation of a
document of its size, pool what is left, and give every size the pooled shape. A large document is in truth less skewed
than a small one, so this errs on the side of too much.
"""

import numpy as np
from scipy.special import ndtri

from ragft.analysis.statistics.clusters import Array, ClusterSums

# Totals that vary by less than the root of this are all alike: what is left is rounding.
ALIKE = 1e-12


def skewness(sums: ClusterSums) -> Array:
    """Return the skewness of the clusters' totals about the mean, [studies]; 0.0 where all are alike."""
    residuals = sums.totals - sums.sizes * sums.mean[:, None]
    return _ratio(_cubes(residuals) / residuals.shape[1], (residuals**2).mean(axis=1))


def hidden_skewness(sums: ClusterSums) -> Array:
    """Return how much more skewed the totals would be if all had the pooled shape, [studies]; 0.0 for equal sizes.

    The variance of a total of weights w is in proportion to (1 - ICC) sum(w^2) + ICC sum(w)^2. Clusters of no size
    (nobody was asked about them) keep the shape that they have.
    """
    residuals = sums.totals - sums.sizes * sums.mean[:, None]
    there = sums.sizes > 0
    icc = np.clip(np.nan_to_num(sums.icc, nan=1.0), 0.0, 1.0)[:, None]
    apart = sums.sizes if sums.weights is None else sums.weights
    spread = np.sqrt((1 - icc) * apart + icc * sums.sizes**2)
    standard = np.divide(residuals, spread, out=np.zeros_like(residuals), where=there)
    own, count = np.where(there, residuals, 0.0), sums.clusters

    shape = _ratio(_cubes(standard) / count, (standard**2).sum(axis=1) / count)
    scale = (own**2).sum(axis=1) / (spread**2).sum(axis=1)
    pooled = shape * scale**1.5 * _cubes(spread)
    return _ratio((pooled - _cubes(own)) / residuals.shape[1], (residuals**2).mean(axis=1))


def critical_shift(level: float) -> float:
    """Return by how many standard errors a studentised bound moves for each unit of the error's skewness.

    The first term of its Edgeworth expansion: (2 z^2 + 1) / 6 (Hall 1992, The Bootstrap and Edgeworth Expansion,
    chapter 2). Negative skewness moves a lower bound down, positive an upper bound up.
    """
    return (2 * float(ndtri(level)) ** 2 + 1) / 6


def _cubes(values: Array) -> Array:
    """Return the sum of the cubes, [studies]; products are many times faster than a power."""
    return np.asarray((values * values * values).sum(axis=1))


def _ratio(third: Array, second: Array) -> Array:
    known = second > ALIKE
    return np.where(known, third / np.where(known, second, 1.0) ** 1.5, 0.0)
