"""The change that would be left if the answers were as long as before, since judges like long answers."""

from collections.abc import Sequence

import numpy as np

from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.cr1 import first_coefficient
from ragft.analysis.verdict.attribution import Term, signed


def at_equal_length(gains: Array, longer: Array, labels: Sequence[str], *, alpha: float = 0.025) -> Term | None:
    """Return the intercept of a line through gains [n] over changes of length [n], with its 1 - 2 alpha interval.

    ``longer`` is by how much the version's answer is longer, in any unit; ``labels`` name the clusters, which errors
    allow for (CR1). It describes and decides nothing: length is not drawn by lot. None with fewer than three clusters,
    or where all lengths change alike.
    """
    names, clusters = np.unique(np.asarray(labels), return_inverse=True)
    if len(names) < 3 or np.ptp(longer) == 0:
        return None
    intercept = first_coefficient(np.column_stack([np.ones_like(longer), longer]), gains, clusters)
    value, (low, high) = intercept.value, intercept.interval(alpha)
    return Term("equal length", value, low, high, f"at equal length {signed(value)} ({signed(low)} to {signed(high)})")
