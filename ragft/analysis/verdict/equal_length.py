"""The change that would be left if the answers were as long as before, since judges like long answers."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ragft.analysis.statistics.clusters import Array
from ragft.analysis.verdict.attribution import Term, signed


def at_equal_length(gains: Array, longer: Array, labels: Sequence[str], *, alpha: float = 0.025) -> Term | None:
    """Return the intercept of a line through gains [n] over changes of length [n], with its 1 - 2 alpha interval.

    ``longer`` says how much longer the version's answer is, in any unit; ``labels`` name the clusters. Least squares
    with cluster-robust errors (CR1) and t with one degree of freedom less than clusters, as Stata's and statsmodels'.
    It describes and decides nothing, since length is not assigned at random. None with fewer than
    three clusters, or where all lengths change alike.
    """
    names, cluster = np.unique(np.asarray(labels), return_inverse=True)
    if len(names) < 3 or np.ptp(longer) == 0:
        return None
    design = np.column_stack([np.ones_like(longer), longer])
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ gains
    scores = design * (gains - design @ slopes)[:, None]
    sums = np.column_stack([np.bincount(cluster, weights=column) for column in scores.T])
    n, groups = len(gains), len(names)
    correction = groups / (groups - 1) * (n - 1) / (n - 2)
    error = float(np.sqrt(correction * (inverse @ sums.T @ sums @ inverse)[0, 0]))
    value, reach = float(slopes[0]), float(stats.t.ppf(1 - alpha, groups - 1)) * error
    low, high = value - reach, value + reach
    return Term("equal length", value, low, high, f"at equal length {signed(value)} ({signed(low)} to {signed(high)})")
