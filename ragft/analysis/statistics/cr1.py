"""Least squares with cluster-robust errors: the usual sandwich, CR1, as Stata's and statsmodels'.

Liang and Zeger (1986), Biometrika 73, 13-22, with the correction G / (G - 1) x (N - 1) / (N - k) and t with one degree
of freedom less than clusters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ragft.analysis.statistics.clusters import Array


@dataclass(frozen=True, slots=True)
class Coefficient:
    """The first coefficient of a regression.

    Attributes:
        error: Standard error; NaN where there are no degrees of freedom.
        dof: Degrees of freedom; 0 where no more clusters than coefficients leave nothing to estimate an error from.
    """

    value: float
    error: float
    dof: int

    def interval(self, alpha: float = 0.025) -> tuple[float, float]:
        """Return the 1 - 2 alpha interval; NaN where there is none."""
        reach = float(stats.t.ppf(1 - alpha, self.dof)) * self.error if self.dof > 0 else float("nan")
        return self.value - reach, self.value + reach


def first_coefficient(design: Array, outcome: Array, clusters: npt.NDArray[Any]) -> Coefficient:
    """Return the coefficient of the first column of ``design`` [n, k]; with one cluster its error is the ordinary one.

    ``clusters`` [n] names the cluster of each row.
    """
    bread = np.linalg.pinv(design.T @ design)
    coefficients = bread @ design.T @ outcome
    residuals = outcome - design @ coefficients
    value, (n, k) = float(coefficients[0]), design.shape
    names, cluster = np.unique(clusters, return_inverse=True)
    groups = len(names)
    if groups == 1:
        variance = bread * (residuals @ residuals) / max(1, n - k)
        return Coefficient(value, float(np.sqrt(variance[0, 0])), n - k)
    if groups <= k:
        return Coefficient(value, float("nan"), 0)
    scores = np.column_stack([np.bincount(cluster, weights=column) for column in (design * residuals[:, None]).T])
    correction = groups / (groups - 1) * (n - 1) / max(1, n - k)
    variance = correction * bread @ scores.T @ scores @ bread
    return Coefficient(value, float(np.sqrt(max(0.0, variance[0, 0]))), groups - 1)
