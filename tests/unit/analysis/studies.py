"""Small clustered studies that the tests of the statistics share."""

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.clusters import ClusterSums, cluster_sums
from ragft.analysis.statistics.resampling import draw

Floats = npt.NDArray[np.float64]


def study(seed: int, clusters: int, largest: int = 5) -> tuple[Floats, list[str]]:
    """Return differences in -4 to 4 with a common part per cluster, and the labels of their clusters."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, largest + 1, size=clusters)
    labels = [f"d{cluster:03d}" for cluster, size in enumerate(sizes) for _ in range(size)]
    common = np.repeat(rng.normal(size=clusters), sizes)
    return np.clip(np.round(common + rng.normal(size=len(labels))), -4, 4).astype(np.float64), labels


def singles(seed: int, n: int) -> tuple[Floats, list[str]]:
    """Return differences of questions that share no document."""
    return study(seed, n, largest=1)


def sums_of(seed: int, clusters: int, largest: int = 5) -> ClusterSums:
    """Return the sums of such a study."""
    return cluster_sums(*study(seed, clusters, largest))


def weights(clusters: int, resamples: int = 799, seed: int = 0) -> Floats:
    """Return the same resamples whenever asked."""
    return draw(clusters, resamples, np.random.default_rng(seed))
