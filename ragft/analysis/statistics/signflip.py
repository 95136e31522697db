"""The test that the version is neither better nor worse: signs of whole clusters are flipped."""

import numpy as np

from ragft.analysis.statistics.clusters import Array, ClusterSums

# Up to so many clusters every combination of signs is tried, and the p-value is exact.
EXACT = 14
TOLERANCE = 1e-9


def sign_flip_p(sums: ClusterSums, flips: int, rng: np.random.Generator) -> Array:
    """Return the two-sided p-value of a mean of 0, [studies].

    The statistic is the mean over its CR2 standard error, computed anew for each flip, so that unequal clusters do
    not distort it. With at most 14 clusters all 2^G combinations are tried; otherwise ``flips`` random ones and
    the observed, (1 + at least as large) / (1 + flips). 1.0 when every difference is 0 or there is one cluster.
    """
    clusters = sums.totals.shape[1]
    exact = clusters <= EXACT
    signs = _all_signs(clusters) if exact else rng.choice(np.array([-1.0, 1.0]), size=(flips, clusters))
    observed = np.abs(_studentised(sums, np.ones((1, clusters))))[0]
    # By symmetry the first sign of the exact test is kept: the mirror image has the same absolute value.
    larger: Array = (np.abs(_studentised(sums, signs)) >= observed * (1 - TOLERANCE)).sum(axis=0, dtype=np.float64)
    return larger / len(signs) if exact else (1 + larger) / (1 + flips)


def _all_signs(clusters: int) -> Array:
    combinations = np.arange(2 ** max(clusters - 1, 0))[:, None] >> np.arange(clusters)[None, :] & 1
    return np.where(combinations, -1.0, 1.0)


def _studentised(sums: ClusterSums, signs: Array) -> Array:
    """Return mean / CR2 error after flipping, [flips, studies]; infinite where there is a mean and no error."""
    n = sums.n[:, None]
    left = np.maximum(1 - sums.sizes / n, TOLERANCE)
    mean = signs @ (sums.totals / n).T
    cross = signs @ (sums.totals * sums.sizes / left).T
    constant = (sums.totals**2 / left).sum(axis=1)
    spread = constant - 2 * mean * cross + mean**2 * (sums.sizes**2 / left).sum(axis=1)
    spread[spread <= TOLERANCE * constant] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(mean * sums.n / np.sqrt(spread), nan=0.0, posinf=np.inf, neginf=-np.inf))
