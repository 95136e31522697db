"""The BCa bootstrap over clusters: a peer of the bounds that decide, measured beside them in `benchmarks.verdict`.

Efron (1987), Journal of the American Statistical Association 82, 171-185; the acceleration from the jackknife over
clusters.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from ragft.analysis.statistics.clusters import Array, ClusterSums


def bca_bound(sums: ClusterSums, weights: Array, level: float) -> Array:
    """Return the bound below which the mean lies with probability ``level``, [studies].

    ``weights`` [resamples, clusters] is how often each resample draws each cluster.
    """
    n = sums.n[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = weights @ sums.totals.T / (weights @ sums.sizes.T)
        means = np.sort(np.where(np.isnan(means), sums.mean, means), axis=0)  # NaN: a resample of empty clusters only
        jackknife = (sums.totals.sum(axis=1, keepdims=True) - sums.totals) / (n - sums.sizes)
        deviation = jackknife.mean(axis=1, keepdims=True) - jackknife
        squares = (deviation**2).sum(axis=1)
        acceleration = np.where(squares > 0, (deviation**3).sum(axis=1) / (6 * squares**1.5), 0.0)
    return bca_quantile(means, sums.mean, acceleration, level)


def bca_quantile(means: Array, mean: Array, acceleration: Array, level: float) -> Array:
    """Return the BCa quantile of sorted ``means`` [resamples, studies]; resamples equal to ``mean`` count half.

    Quantiles between two resamples are interpolated linearly, as numpy does.
    """
    count = len(means)
    below, equal = (means < mean).sum(axis=0), (means == mean).sum(axis=0)
    share = np.clip((below + equal / 2) / count, 0.5 / count, 1 - 0.5 / count)
    bias, z = ndtri(share), ndtri(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        adjusted = ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
    position = np.nan_to_num(adjusted, nan=level) * (count - 1)
    lower = np.floor(position).astype(int)
    upper = np.minimum(lower + 1, count - 1)
    study = np.arange(means.shape[1])
    return np.asarray(means[lower, study] + (position - lower) * (means[upper, study] - means[lower, study]))
