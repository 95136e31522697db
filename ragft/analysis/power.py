"""What a number of questions can show, before and after they are scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq

from ragft.analysis.clusters import Array, cluster_sums
from ragft.analysis.cr2 import cr2

# The chance a study should have to show what is there.
WANTED = 0.8
MOST_QUESTIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class Spread:
    """How differences vary.

    Attributes:
        sd: Between questions, in score points; at least 0.
        icc: Intraclass correlation between questions of a document; below 0 counts as 0.
        source: Where it was measured, in words ("the dev split").
    """

    sd: float
    icc: float
    source: str


@dataclass(frozen=True, slots=True)
class Power:
    """What a set of questions can show of one criterion, by the paired t-test with a design effect.

    Attributes:
        n: Questions.
        clusters: Connected components of their documents.
        spread: What was assumed.
        margin: The non-inferiority margin, in score points.
        smallest_difference: The true gain that is shown to be above 0 with 80 % chance, at alpha over the family.
        chance_at_margin: The chance to show non-inferiority when there is no difference, in [0, 1].
        n_for_margin: Questions (of documents like these) that make this chance 80 %.
    """

    n: int
    clusters: int
    spread: Spread
    margin: float
    smallest_difference: float
    chance_at_margin: float
    n_for_margin: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A number of questions in documents of known sizes.

    Attributes:
        n: Questions.
        dof: Degrees of freedom of CR2 for these sizes.
        design: Design effect 1 + (sum(n_g^2) / N - 1) ICC.
        sd: Standard deviation of the differences.
    """

    n: float
    dof: float
    design: float
    sd: float

    @property
    def error(self) -> float:
        """The standard error of the mean difference."""
        return float(self.sd * np.sqrt(self.design / self.n))

    def of(self, n: float) -> "Sample":
        """Return the same with ``n`` questions in documents of the same sizes."""
        # Degrees of freedom plus one grow with the number of documents.
        return Sample(n, max((self.dof + 1) * n / self.n - 1, 1.0), self.design, self.sd)


def spread_of(gains: Array, labels: Sequence[str], source: str) -> Spread:
    """Return the spread of paired differences [n], n at least 2, with their clusters' labels."""
    sums = cluster_sums(gains, labels)
    return Spread(float(sums.sd[0]), float(np.nan_to_num(sums.icc[0])), source)


def sample_of(sizes: Sequence[int] | npt.NDArray[np.integer[Any]], spread: Spread) -> Sample:
    """Return the sample that documents with so many questions each make; at least two documents."""
    counts = np.asarray(sizes, dtype=np.float64)
    labels = [f"{index:08d}" for index, count in enumerate(counts) for _ in range(int(count))]
    dof = float(cr2(cluster_sums(np.zeros(len(labels)), labels)).dof[0])
    together = float((counts**2).sum() / counts.sum())
    return Sample(float(counts.sum()), dof, 1 + (together - 1) * max(spread.icc, 0.0), spread.sd)


def chance(difference: float, sample: Sample, alpha: float = 0.025) -> float:
    """Return the chance that the one-sided lower bound at ``alpha`` lies above 0, given the true ``difference``."""
    if sample.error == 0:
        return float(difference > 0)
    critical = stats.t.ppf(1 - alpha, sample.dof)
    shown = stats.nct.sf(critical, sample.dof, difference / sample.error)
    # Far from the critical value scipy's series ends in NaN, where the normal approximation is exact enough.
    if np.isnan(shown):
        shown = stats.norm.sf(critical - difference / sample.error)
    return float(shown)


def smallest_difference(sample: Sample, alpha: float = 0.025, wanted: float = WANTED) -> float:
    """Return the true difference, in score points, that the sample shows with the chance ``wanted``."""
    if sample.error == 0:
        return 0.0
    reach = stats.t.ppf(1 - alpha, sample.dof) + stats.t.ppf(wanted, sample.dof) + 5
    return float(brentq(lambda d: chance(d, sample, alpha) - wanted, 0.0, reach * sample.error, xtol=1e-9))


def n_to_show(difference: float, sample: Sample, alpha: float = 0.025, wanted: float = WANTED) -> int | None:
    """Return how many questions show a true ``difference`` with the chance ``wanted``.

    None where it is not above 0, or more than ten million questions would not do.
    """
    if difference <= 0:
        return None
    enough: Callable[[int], bool] = lambda n: chance(difference, sample.of(n), alpha) >= wanted  # noqa: E731
    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_QUESTIONS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def power(
    sizes: Sequence[int] | npt.NDArray[np.integer[Any]],
    spread: Spread,
    *,
    margin: float,
    alpha: float = 0.025,
    family: int = 1,
) -> Power:
    """Return what documents with so many questions each can show; at least two documents."""
    sample = sample_of(sizes, spread)
    needed = n_to_show(margin, sample, alpha)
    return Power(
        n=int(sample.n),
        clusters=len(sizes),
        spread=spread,
        margin=margin,
        smallest_difference=smallest_difference(sample, alpha / family),
        chance_at_margin=chance(margin, sample, alpha),
        n_for_margin=MOST_QUESTIONS if needed is None else needed,
    )
