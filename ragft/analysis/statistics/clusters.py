"""Clusters of questions: questions that share a document get similar answers, so they are not independent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ragft.data.splits import components
from ragft.types import Question

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ClusterSums:
    """What the statistics need of clustered values, for many studies at once.

    Attributes:
        totals: Sum of the values of each cluster, [studies, clusters].
        squares: Sum of their squares, [studies, clusters].
        sizes: How many values there are, [studies, clusters]; an empty cluster counts for nothing.
        weights: Where values have weights, which then make the sizes: the sum of their squares, [studies, clusters].
    """

    totals: Array
    squares: Array
    sizes: Array
    weights: Array | None = None

    @property
    def n(self) -> Array:
        """The number of values, [studies]."""
        return np.asarray(self.sizes.sum(axis=1))

    @property
    def clusters(self) -> Array:
        """The number of clusters with a value, [studies]."""
        return np.asarray((self.sizes > 0).sum(axis=1), dtype=np.float64)

    @property
    def mean(self) -> Array:
        """The mean of the values, every question counting the same, [studies]."""
        return np.asarray(self.totals.sum(axis=1) / self.n)

    @property
    def sd(self) -> Array:
        """The standard deviation of the values (n - 1), [studies]; 0.0 with one value."""
        spread = self.squares.sum(axis=1) - self.n * self.mean**2
        return np.asarray(np.sqrt(np.maximum(spread, 0.0) / np.maximum(self.n - 1, 1)))

    @property
    def icc(self) -> Array:
        """The intraclass correlation, [studies]: the ANOVA estimator for unequal sizes.

        (MSB - MSW) / (MSB + (n0 - 1) MSW) with n0 = (N - sum(n_g^2) / N) / (G - 1), as in Donner (1986, International
        Statistical Review 54, 67-82). It can be below 0. NaN where it does not exist: one cluster, clusters of
        one question, or values that are all the same.
        """
        between_df, within_df = self.clusters - 1, self.n - self.clusters
        group_squares = np.divide(self.totals**2, self.sizes, out=np.zeros_like(self.totals), where=self.sizes > 0).sum(
            axis=1
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (group_squares - self.n * self.mean**2) / between_df
            within = np.maximum(self.squares.sum(axis=1) - group_squares, 0.0) / within_df
            size = (self.n - (self.sizes**2).sum(axis=1) / self.n) / between_df
            icc = (between - within) / (between + (size - 1) * within)
        known = (between_df > 0) & (within_df > 0) & (self.sd > 0)
        return np.where(known, icc, np.nan)


def cluster_sums(values: Array, labels: Sequence[str]) -> ClusterSums:
    """Return the sums of one study: ``values`` [n] with the label of each value's cluster.

    Clusters are in the order of their labels and values are added in order of size, so that the result does
    not depend on the order of the questions, not even in the last bit.
    """
    names, cluster = np.unique(np.asarray(labels), return_inverse=True)
    order = np.lexsort((values, cluster))
    cluster, sorted_values = cluster[order], np.asarray(values, dtype=np.float64)[order]

    def add(weights: Array) -> Array:
        return np.bincount(cluster, weights=weights, minlength=len(names)).astype(np.float64)[None, :]

    return ClusterSums(add(sorted_values), add(sorted_values**2), add(np.ones_like(sorted_values)))


@dataclass(frozen=True, slots=True)
class Clusters:
    """The clusters of a set of questions.

    Attributes:
        labels: Question id -> label of its cluster: its first document's id, or the question's where it has none.
        documents: Label -> the ids of all documents the cluster covers; empty where its question has none.
    """

    labels: Mapping[str, str]
    documents: Mapping[str, tuple[str, ...]]


def cluster(questions: Sequence[Question]) -> Clusters:
    """Return the connected components of questions that share documents, directly or through others."""
    labels: dict[str, str] = {}
    documents: dict[str, tuple[str, ...]] = {}
    for component in components(questions):
        covered = tuple(sorted({document for question in component for document in question.documents}))
        label = covered[0] if covered else f"question {component[0].id}"
        documents[label] = covered
        labels.update((question.id, label) for question in component)
    return Clusters(labels, documents)
