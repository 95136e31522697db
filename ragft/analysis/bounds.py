"""The bounds that decide: the more cautious of two intervals, with room for a document that was not drawn.

Simulation (`benchmarks/verdict.py`) chose them. The BCa bootstrap claims too often where clusters differ in size or
are few, CR2's t where differences are skewed. The studentised bootstrap over clusters holds in both cases as long as
the sample shows both directions; the wider of it and CR2's t holds in all. Where hardly any document got worse, no
statistic of the sample can know how bad the rare loss is: then one unseen document is assumed (`with_unseen`).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from ragft.analysis.clusters import Array, ClusterSums
from ragft.analysis.cr2 import cr2, t_bound
from ragft.analysis.resampling import resample, studentised_bound

Draw: TypeAlias = Callable[[int], Array]
"""Number of clusters -> weights of the resamples, [resamples, clusters]."""

# With fewer documents than this on the losing side, what a loss costs is not known from the sample.
ENOUGH = 10


def lower_bounds(sums: ClusterSums, levels: Sequence[float], extreme: float, draw: Draw) -> list[Array]:
    """Return, for each level, the bound that exceeds the true mean in at most that share of studies, [studies].

    ``sums`` are of differences, above 0 where the version is better; ``levels`` one-sided error rates, as 0.025;
    ``extreme`` is the largest difference two scores can have. Bounds lie in [-extreme, extreme]; with one cluster
    nothing is known and the bound is -extreme. The resamples come from ``draw``.
    """
    guarded = with_unseen(sums, extreme)
    robust = cr2(guarded)
    resamples = resample(guarded, draw(guarded.sizes.shape[1]))
    bounds = []
    for level in levels:
        bound = np.minimum(t_bound(guarded, robust, level), studentised_bound(guarded, resamples, level))
        known = (sums.clusters > 1) & ~np.isnan(bound)
        bounds.append(np.where(known, np.clip(bound, -extreme, extreme), -extreme))
    return bounds


def upper_bounds(sums: ClusterSums, levels: Sequence[float], extreme: float, draw: Draw) -> list[Array]:
    """Return the mirror image of `lower_bounds`: bounds that lie below the true mean in at most ``levels``."""
    mirrored = ClusterSums(-sums.totals, sums.squares, sums.sizes)
    return [-bound for bound in lower_bounds(mirrored, levels, extreme, draw)]


def with_unseen(sums: ClusterSums, extreme: float) -> ClusterSums:
    """Return the clusters with one more, of mean size, that stands for a bad document the sample missed.

    It weighs (10 - losers) / 10 of a document while fewer than 10 clusters lost, and nothing from then on. Its mean
    is as far down as scores allow, -``extreme``, for one question; for the mean of m questions this shrinks as a
    standard deviation does, by sqrt((1 + (m - 1) ICC) / m). With 50 documents that all tie, the lower bound is thus
    not 0 but about what 50 draws can exclude.
    """
    losers = (sums.totals < 0).sum(axis=1)
    weight = np.clip(1 - losers / ENOUGH, 0.0, 1.0)
    if not weight.any():
        return sums
    size = sums.n / np.maximum(sums.clusters, 1)
    icc = np.clip(np.nan_to_num(sums.icc, nan=1.0), 0.0, 1.0)
    depth = extreme * np.sqrt((1 + (size - 1) * icc) / size)
    unseen = (size * weight)[:, None]
    return ClusterSums(
        np.hstack([sums.totals, -depth[:, None] * unseen]),
        np.hstack([sums.squares, depth[:, None] ** 2 * unseen]),
        np.hstack([sums.sizes, unseen]),
    )
