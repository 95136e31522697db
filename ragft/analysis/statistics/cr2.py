"""Cluster-robust standard error of a mean: CR2 with Satterthwaite's degrees of freedom.

Bell and McCaffrey (2002), Survey Methodology 28, 169-181; the degrees of freedom as in Pustejovsky and Tipton (2018),
Journal of Business & Economic Statistics 36, 672-683, with independent values as the working model. For a mean the
matrices have closed forms: with f = n_g / N the share of a cluster and S_g the sum of its residuals,

    V = sum(S_g^2 / (1 - f)) / N^2
    1 / df = sum(f^2) + sum over g != h of f_g^2 f_h^2 / ((1 - f_g) (1 - f_h))

Clusters of one question give the paired t-test.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragft.analysis.statistics.clusters import Array, ClusterSums


@dataclass(frozen=True, slots=True, eq=False)
class Robust:
    """Standard error and degrees of freedom of a mean, both [studies]; NaN where there is one cluster."""

    error: Array
    dof: Array


def cr2(sums: ClusterSums) -> Robust:
    """Return the CR2 standard error of the mean and its degrees of freedom."""
    shares = sums.sizes / sums.n[:, None]
    residuals = sums.totals - sums.sizes * sums.mean[:, None]
    lone = np.asarray((shares > 1 - 1e-12).any(axis=1))
    left = np.where(lone[:, None], 1.0, 1 - shares)
    variance = (residuals**2 / left).sum(axis=1) / sums.n**2
    cross = shares**2 / left
    inverse = (shares**2).sum(axis=1) + cross.sum(axis=1) ** 2 - (cross**2).sum(axis=1)
    return Robust(np.where(lone, np.nan, np.sqrt(variance)), np.where(lone, np.nan, 1 / inverse))


def t_bound(sums: ClusterSums, robust: Robust, level: float) -> Array:
    """Return the bound below which the mean lies with probability ``level`` (0.025: a lower bound), [studies]."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sums.mean + stats.t.ppf(level, robust.dof) * robust.error)


def interval(sums: ClusterSums, alpha: float = 0.025) -> tuple[float, float]:
    """Return the 1 - 2 alpha interval of the mean of one study: CR2's t; NaN with one cluster."""
    robust = cr2(sums)
    low, high = (float(t_bound(sums, robust, level)[0]) for level in (alpha, 1 - alpha))
    return low, high
