"""The mean of one column of scores, with an interval that allows for questions that share a document."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragft.analysis.statistics.clusters import Array, cluster_sums
from ragft.analysis.statistics.cr2 import interval


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over questions.

    Attributes:
        n: How many questions have a value.
        value: Their mean; None where there is none.
        low: Lower end of its 1 - 2 alpha interval (cluster-robust t, CR2); None with fewer than two documents, or
            where all values are alike.
        high: Upper end.
    """

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None


def mean_of(values: Array, labels: Sequence[str], *, alpha: float = 0.025) -> Mean:
    """Return the mean of ``values`` [questions], NaN where there is none, with their clusters' labels."""
    known = ~np.isnan(values)
    kept = [label for label, there in zip(labels, known, strict=True) if there]
    if not kept:
        return Mean(0, None)
    sums = cluster_sums(values[known], kept)
    value = float(sums.mean[0])
    if len(set(kept)) < 2 or sums.sd[0] == 0:
        return Mean(len(kept), value)
    return Mean(len(kept), value, *interval(sums, alpha))
