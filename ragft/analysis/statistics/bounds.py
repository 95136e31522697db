"""The bounds that decide: the more cautious of two intervals, with room for a document that was not drawn.

Simulation (`benchmarks/verdict.py`) chose them. The BCa bootstrap claims too often where documents differ in size or
are few, CR2's t where differences are skewed. The studentised bootstrap over clusters holds in both cases, as long as
the sample shows what a loss costs. Where documents differ in size, it shows that in the large ones too rarely: the
bootstrap's bound is moved by the skewness that they hide (`hidden_skewness`). Where hardly any document got worse, no
statistic of the sample can know: then CR2's t is taken with one unseen document more (`with_unseen`). The bound is the
lower of the two. Where next to nothing changed, a resample can miss every change and has no spread to be measured by:
the bootstrap then says nothing, and the t with the unseen document decides alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragft.analysis.statistics.clusters import Array, ClusterSums
from ragft.analysis.statistics.cr2 import cr2, t_bound
from ragft.analysis.statistics.resampling import Resamples, studentised_bound
from ragft.analysis.statistics.skewness import critical_shift, hidden_skewness

# With fewer documents than this on the losing side, what a loss costs is not known from the sample.
ENOUGH = 10
# With fewer documents than this changed, above 1 % of the resamples show no change: exp(-4) = 1.8 %.
FEW = 5


def deciding_bound(sums: ClusterSums, resamples: Resamples, level: float, extreme: float) -> Array:
    """Return the bound that decides, [studies]; the true mean lies below it with probability at most ``level``.

    A ``level`` above a half asks for an upper bound: the mean lies above it with probability at most 1 - ``level``.
    ``resamples`` are those of ``sums``; ``extreme`` is the largest difference two scores can have. Bounds lie in
    [-extreme, extreme]; with one cluster nothing is known and the bound is the end of that range.
    """
    return np.asarray(deciding_bounds(sums, resamples, (level,), extreme)[0])


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What is known of documents that got better or worse, where the totals do not say it: people correct a judge.

    Attributes:
        totals: Above 0 for a document that got better, below for one that got worse, [studies, clusters].
        below: How far below 0 a document may lie that the sample missed, as a multiple of the extreme, [studies].
        above: The same above 0.
    """

    totals: Array
    below: Array
    above: Array


def deciding_bounds(
    sums: ClusterSums, resamples: Resamples, levels: Sequence[float], extreme: float, *, told: Told | None = None
) -> Array:
    """Return `deciding_bound` at several ``levels``, all below a half or all above it, [levels, studies]."""
    changed = sums.totals if told is None else told.totals
    upper = levels[0] > 0.5
    end = extreme if upper else -extreme
    cautious = np.fmax if upper else np.fmin  # where the bootstrap is silent, NaN, the other decides
    guarded = with_unseen(sums, end, told)
    robust = cr2(guarded)
    hidden = (np.maximum if upper else np.minimum)(hidden_skewness(sums), 0.0) / np.sqrt(sums.totals.shape[1])
    silent = ((changed != 0).sum(axis=1) < FEW) & (sums.clusters >= ENOUGH)
    bounds = []
    for level in levels:
        studentised = studentised_bound(sums, resamples, level) + critical_shift(level) * hidden * resamples.error
        bound = cautious(t_bound(guarded, robust, level), np.where(silent, np.nan, studentised))
        known = (sums.clusters > 1) & ~np.isnan(bound)
        bounds.append(np.where(known, np.clip(bound, -extreme, extreme), end))
    return np.array(bounds)


def with_unseen(sums: ClusterSums, end: float, told: Told | None = None) -> ClusterSums:
    """Return the clusters with one more, of mean size, that stands for a document the sample missed.

    ``end`` is the worst difference there can be, or the best one for an upper bound. The document weighs
    (10 - seen) / 10 of one while fewer than 10 clusters lie on that side of 0, and nothing from then on. Its mean is
    ``end`` for one question; for m questions it shrinks as the standard deviation of a mean does, by
    sqrt((1 + (m - 1) ICC) / m). With 50 documents that all tie, the lower bound is thus not 0 but about what 50 draws
    can exclude. ``told`` says, where the totals do not, on which side documents lie, and how far off one may be.
    """
    seen = ((sums.totals if told is None else told.totals) * np.sign(end) > 0).sum(axis=1)
    weight = np.clip(1 - seen / ENOUGH, 0.0, 1.0)
    if not weight.any():
        return sums
    size, depth = sums.n / np.maximum(sums.clusters, 1), depth_of_unseen(sums, end)[:, None]
    if told is not None:
        depth = depth * (told.below if end < 0 else told.above)[:, None]
    unseen = (size * weight)[:, None]
    return ClusterSums(
        np.hstack([sums.totals, depth * unseen]),
        np.hstack([sums.squares, depth**2 * unseen]),
        np.hstack([sums.sizes, unseen]),
    )


def depth_of_unseen(sums: ClusterSums, end: float) -> Array:
    """Return the mean of the unseen document, [studies]."""
    size = sums.n / np.maximum(sums.clusters, 1)
    icc = np.clip(np.nan_to_num(sums.icc, nan=1.0), 0.0, 1.0)
    return np.asarray(end * np.sqrt((1 + (size - 1) * icc) / size))
