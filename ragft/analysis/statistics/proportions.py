"""Shares in clustered samples: the exact binomial's tail and interval at the effective sample size.

Korn and Graubard (1998), Survey Methodology 24, 193-201: the counts of the Clopper-Pearson interval are divided by the
design effect, and by a squared ratio of t quantiles where clusters are few. The binomial's tail then takes fractions,
as the regularised incomplete beta function gives it:

    P(X <= x) = I(1 - p; n - x, x + 1)

The design effect of a share in clusters of sizes m is 1 + (sum(m^2) / sum(m) - 1) rho (Kish 1965, *Survey Sampling*,
section 5.4, with the size of the cluster that an answer finds itself in), rho the intraclass correlation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from ragft.analysis.statistics.clusters import Array, cluster_sums


@dataclass(frozen=True, slots=True)
class Sample:
    """A clustered sample of things that are so or not, such as answers that are wrong.

    Attributes:
        n: How many there are.
        count: How many are so.
        clusters: How many clusters they come from.
        size: Mean size of the cluster that one of them finds itself in, sum(m^2) / sum(m); 0.0 without any.
    """

    n: int
    count: int
    clusters: int
    size: float

    @property
    def share(self) -> float:
        """The share, in [0, 1]; 0.0 without any."""
        return self.count / self.n if self.n else 0.0

    def design_effect(self, rho: float) -> float:
        """Return by how much the variance of the share exceeds that of independent ones, at least 1."""
        return max(1.0, 1 + (self.size - 1) * rho)

    def effective(self, rho: float, level: float) -> float:
        """Return how many independent ones tell as much; 0.0 where all come from one cluster.

        ``level`` in (0.5, 1) is that of the t quantiles whose ratio allows for few clusters.
        """
        if self.clusters < 2:
            return 0.0
        ratio = special.stdtrit(self.n - 1, level) / special.stdtrit(self.clusters - 1, level)
        return float(self.n * ratio**2 / self.design_effect(rho))


def sample(so: Array, labels: Sequence[str] | npt.NDArray[np.int64]) -> Sample:
    """Return what ``so`` [n], 1.0 or 0.0, with the label of each one's cluster makes as a sample."""
    if not len(so):
        return Sample(0, 0, 0, 0.0)
    _, sizes = np.unique(np.asarray(labels), return_counts=True)
    return Sample(len(so), int(so.sum()), len(sizes), float((sizes**2).sum() / sizes.sum()))


def correlation(so: Array, labels: Sequence[str]) -> float:
    """Return the intraclass correlation, in [0, 1]; 0.0 where it does not exist (`ClusterSums.icc`)."""
    if not len(so):
        return 0.0
    return float(np.clip(np.nan_to_num(cluster_sums(so, labels).icc[0], nan=0.0), 0.0, 1.0))


def tail(n: float, count: float, share: float) -> float:
    """Return how likely at most ``count`` of ``n`` are so where ``share`` is the truth; both may be fractions."""
    return 1.0 if count >= n else float(special.betainc(n - count, count + 1, 1 - share))


def share_interval(found: Sample, rho: float, alpha: float = 0.025) -> tuple[float, float]:
    """Return the 1 - 2 alpha interval of the share: Clopper and Pearson's at the effective size; (0, 1) without any."""
    n = found.effective(rho, 1 - alpha)
    count = n * found.share
    low = special.betaincinv(count, n - count + 1, alpha) if count > 0 else 0.0
    high = special.betaincinv(count + 1, n - count, 1 - alpha) if n > count else 1.0
    return float(low), float(high)
