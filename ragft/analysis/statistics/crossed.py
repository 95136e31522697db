"""A mean under two sources of chance at once: which documents were asked about, and which seed trained the model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragft.analysis.statistics.clusters import Array

# One-sided, as everywhere: the error rate of each end of an interval.
ALPHA = 0.025


@dataclass(frozen=True, slots=True)
class Crossed:
    """A mean with its interval.

    Attributes:
        mean: Every scored question of every seed counts the same.
        error: Standard error.
        dof: Satterthwaite's degrees of freedom; 0.0 where there is no interval.
        low: Lower end of the interval; minus infinity is None.
        high: Upper end.
        n: Questions with a value in at least one seed.
        clusters: Connected components of their documents.
        seeds: How many.
    """

    mean: float
    error: float
    dof: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    seeds: int


def crossed_mean(values: Array, labels: Sequence[str], *, alpha: float = ALPHA) -> Crossed:
    """Return the mean of ``values`` [seeds, questions] with documents and seeds as random effects.

    The two-way random model y = mean + seed + document + rest: the variance of the mean is
    (MS_seed + MS_document - MS_rest) / (seeds x documents), with Satterthwaite's degrees of freedom (1946, Biometrics
    Bulletin 2, 110-114), never taken smaller than either part alone. Sums instead of means of a document's questions
    make it hold for documents of several questions. With one seed it is the cluster-robust t interval, which
    generalises over documents only. NaN is unscored; ``labels`` names the cluster of each question; ``alpha`` is the
    one-sided error rate of each end of the interval.

    Raises:
        ValueError: If there is no value at all.
    """
    names, cluster = np.unique(np.asarray(labels), return_inverse=True)
    scored = ~np.isnan(values)
    if not scored.any():
        raise ValueError("there is no value to take the mean of")
    totals, sizes = (
        np.stack([np.bincount(cluster, weights=row, minlength=len(names)).astype(np.float64) for row in part])
        for part in (np.where(scored, values, 0.0), scored.astype(np.float64))
    )
    kept = sizes.sum(axis=0) > 0
    totals, sizes = totals[:, kept], sizes[:, kept]
    mean = float(totals.sum() / sizes.sum())
    variance, dof = _variance(totals - sizes * mean, sizes)
    reach = float(stats.t.ppf(1 - alpha, dof) * np.sqrt(variance)) if dof > 0 else None
    return Crossed(
        mean=mean,
        error=float(np.sqrt(variance)),
        dof=dof,
        low=None if reach is None else mean - reach,
        high=None if reach is None else mean + reach,
        n=int(scored.any(axis=0).sum()),
        clusters=int(kept.sum()),
        seeds=len(values),
    )


def _variance(residuals: Array, sizes: Array) -> tuple[float, float]:
    """Return the variance of the mean and its degrees of freedom, from residual sums [seeds, documents]."""
    seeds, documents = residuals.shape
    total = sizes.sum() ** 2
    if documents < 2:
        return 0.0, 0.0
    by_document = residuals.sum(axis=0)
    of_documents = documents / (documents - 1) * (by_document**2).sum() / total
    if seeds < 2:
        return float(of_documents), float(documents - 1)
    by_seed = residuals.sum(axis=1)
    of_seeds = seeds / (seeds - 1) * (by_seed**2).sum() / total
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(sizes / sizes.sum(axis=1, keepdims=True)), np.nan_to_num(sizes / sizes.sum(axis=0))
    rest = residuals - shares[0] * by_seed[:, None] - shares[1] * by_document
    rest_dof = (seeds - 1) * (documents - 1)
    of_rest = seeds * documents / rest_dof * (rest**2).sum() / total
    variance = max(of_seeds + of_documents - of_rest, of_seeds, of_documents)
    parts = of_seeds**2 / (seeds - 1) + of_documents**2 / (documents - 1) + of_rest**2 / rest_dof
    return float(variance), float(variance**2 / parts) if parts > 0 else float(documents - 1)
