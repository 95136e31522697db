"""What a number of questions can show, before and after they are scored.

The power is that of the paired t-test with a design effect for documents of several questions, corrected for what
the bounds that decide do beyond it: they follow the skewness of the differences (an Edgeworth expansion, Hall 1992, The
Bootstrap and Edgeworth Expansion, chapter 2), count unscored answers at their worst, and leave room for an unseen
document where few of them lose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq

from ragft.analysis.statistics.bounds import ENOUGH, depth_of_unseen
from ragft.analysis.statistics.clusters import Array, ClusterSums, cluster_sums
from ragft.analysis.statistics.cr2 import cr2
from ragft.analysis.statistics.skewness import critical_shift, hidden_skewness, skewness

# The chance a study should have to show what is there.
WANTED = 0.8
# With fewer documents the degrees of freedom are themselves random, and so is the power.
ENOUGH_CLUSTERS = 40
MOST_QUESTIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class Spread:
    """How differences vary.

    Attributes:
        sd: Between questions, in score points; at least 0.
        icc: Intraclass correlation between questions of a document; below 0 counts as 0.
        source: Where it was measured, in words ("the dev split").
        skew: Skewness of the documents' totals about the mean; below 0 where losses are rarer and larger than gains.
        cost: How far unscored answers pull the mean down when they count at their worst, in score points.
        losing: Share of the documents whose total is below 0.
        unseen: The assumed loss in an unseen document, in score points; 0.0 leaves no room for one.
        hidden: How much more negative the skewness would be if documents of all sizes were alike; at most 0.
    """

    sd: float
    icc: float
    source: str
    skew: float = 0.0
    cost: float = 0.0
    losing: float = 0.0
    unseen: float = 0.0
    hidden: float = 0.0


@dataclass(frozen=True, slots=True)
class Power:
    """What a set of questions can show of one criterion.

    Attributes:
        n: Questions.
        clusters: Connected components of their documents.
        spread: What was assumed.
        margin: The non-inferiority margin, in score points.
        smallest_difference: The smallest true gain that is shown to be above 0 with a chance of 80 %, at alpha over the
            family; None where no gain is.
        chance_at_margin: The chance to show non-inferiority when there is no difference, in [0, 1].
        n_for_margin: How many questions (in documents like these) raise this chance to 80 %; None where no number does.
    """

    n: int
    clusters: int
    spread: Spread
    margin: float
    smallest_difference: float | None
    chance_at_margin: float
    n_for_margin: int | None

    @property
    def doubt(self) -> str:
        """Why the figures are only a rough guide; "" where they are reliable."""
        return doubt(self.clusters, self.spread)


@dataclass(frozen=True, slots=True)
class Sample:
    """A number of questions in documents of known sizes.

    Attributes:
        n: Questions.
        clusters: Documents.
        dof: Degrees of freedom of CR2 for these sizes.
        design: Design effect 1 + (sum(n_g^2) / N - 1) ICC.
        spread: How their differences vary.
    """

    n: float
    clusters: float
    dof: float
    design: float
    spread: Spread

    @property
    def error(self) -> float:
        """The standard error of the mean difference."""
        return float(self.spread.sd * np.sqrt(self.design / self.n))

    def of(self, n: float) -> "Sample":
        """Return the same with ``n`` questions in documents of the same sizes."""
        # Degrees of freedom plus one grow with the number of documents.
        more = n / self.n
        return Sample(n, self.clusters * more, max((self.dof + 1) * more - 1, 1.0), self.design, self.spread)


def spread_of(gains: Array, labels: Sequence[str], source: str, *, extreme: float = 0.0, cost: float = 0.0) -> Spread:
    """Return the spread of paired differences [n], n at least 2, with their clusters' labels.

    ``extreme`` is the largest difference two scores can have, or 0.0 to leave no room for an unseen document.
    """
    sums = cluster_sums(gains, labels)
    return Spread(
        sd=float(sums.sd[0]),
        icc=float(np.nan_to_num(sums.icc[0])),
        source=source,
        skew=float(skewness(sums)[0]),
        cost=cost,
        losing=float((sums.totals < 0).mean()),
        unseen=float(depth_of_unseen(sums, extreme)[0]),
        hidden=min(float(hidden_skewness(sums)[0]), 0.0),
    )


def sample_of(sizes: Sequence[int] | npt.NDArray[np.integer[Any]], spread: Spread) -> Sample:
    """Return the sample of documents that have so many questions each; at least two documents."""
    counts = np.asarray(sizes, dtype=np.float64)
    sums = ClusterSums(np.zeros((1, len(counts))), np.zeros((1, len(counts))), counts[None, :])
    together = float((counts**2).sum() / counts.sum())
    design = 1 + (together - 1) * max(spread.icc, 0.0)
    return Sample(float(counts.sum()), len(counts), float(cr2(sums).dof[0]), design, spread)


def chance(difference: float, sample: Sample, alpha: float = 0.025) -> float:
    """Return the chance that the one-sided lower bound at ``alpha`` lies above 0, given the true ``difference``."""
    difference -= sample.spread.cost
    if sample.error == 0 and not sample.spread.unseen:
        return float(difference > 0)
    shown = _studentised(difference, sample, alpha)
    if not sample.spread.unseen:
        return shown
    # How many documents lose is itself random, and with it how much room is left for an unseen one.
    losers = np.arange(ENOUGH)
    chances = stats.binom.pmf(losers, round(sample.clusters), sample.spread.losing)
    guarded = np.minimum(_with_unseen(difference, 1 - losers / ENOUGH, sample, alpha), shown)
    return float((chances * guarded).sum() + (1 - chances.sum()) * shown)


def _studentised(difference: float, sample: Sample, alpha: float) -> float:
    if sample.error == 0:
        return float(difference > 0)
    skew = sample.spread.skew / np.sqrt(sample.clusters)
    critical, away = stats.t.ppf(1 - alpha, sample.dof), difference / sample.error
    # The studentised bootstrap moves the critical value with the skewness; the t never lets it come nearer.
    seen = skew + sample.spread.hidden / np.sqrt(sample.clusters)
    moved = critical - min(seen, 0.0) * critical_shift(alpha)
    # Mean and error of a skewed sample go together: the ratio is shifted, and wider the further it is from 0.
    wider = np.sqrt(max(1 - away * skew, 0.2))
    shown = stats.nct.sf(away + (moved - away + skew / 2) / wider, sample.dof, away)
    # Far from the critical value scipy's series ends in NaN, where the normal approximation is exact enough.
    if np.isnan(shown):
        shown = stats.norm.sf((moved - away + skew / 2) / wider)
    return float(shown)


def _with_unseen(difference: float, weight: Array, sample: Sample, alpha: float) -> Array:
    """Return the chance that CR2's t, with an unseen document of each weight, lies above 0, [weights]."""
    documents, depth = sample.clusters, sample.spread.unseen
    mean = documents * difference - weight * depth
    error = np.hypot(documents * sample.error, weight * (depth + difference))
    needed = stats.t.ppf(1 - alpha, sample.dof) * error - mean
    if sample.error == 0:
        return np.asarray(needed < 0, dtype=np.float64)
    return np.asarray(stats.norm.sf(needed / (documents * sample.error)))


def smallest_difference(sample: Sample, alpha: float = 0.025, wanted: float = WANTED) -> float | None:
    """Return the true difference, in score points, that the sample shows with the chance ``wanted``.

    None where no difference does, because there are too few documents.
    """
    start, reach = sample.spread.cost, 100 * sample.error + 10 * sample.spread.unseen
    if reach == 0:
        return start
    if chance(start + reach, sample, alpha) < wanted:
        return None
    return float(brentq(lambda d: chance(d, sample, alpha) - wanted, start, start + reach, xtol=1e-9))


def n_to_show(difference: float, sample: Sample, alpha: float = 0.025, wanted: float = WANTED) -> int | None:
    """Return how many questions show a true ``difference`` with the chance ``wanted``.

    None where none of up to ten million would.
    """
    if difference <= sample.spread.cost:
        return None
    low, high = 1, 2
    while chance(difference, sample.of(high), alpha) < wanted:
        low, high = high, high * 2
        if high > MOST_QUESTIONS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if chance(difference, sample.of(middle), alpha) >= wanted:
            high = middle
        else:
            low = middle
    return high


def power(
    sizes: Sequence[int] | npt.NDArray[np.integer[Any]],
    spread: Spread,
    *,
    margin: float,
    alpha: float = 0.025,
    family: int = 1,
    most: float = float("inf"),
) -> Power:
    """Return what documents with so many questions each can show; there must be at least two.

    ``most`` is the largest possible gain: where only a larger one would be shown, no gain is.
    """
    sample = sample_of(sizes, spread)
    smallest = smallest_difference(sample, alpha / family)
    return Power(
        n=int(sample.n),
        clusters=len(sizes),
        spread=spread,
        margin=margin,
        smallest_difference=None if smallest is None or smallest > most else smallest,
        chance_at_margin=chance(margin, sample, alpha),
        n_for_margin=n_to_show(margin, sample, alpha),
    )


def doubt(clusters: int, spread: Spread) -> str:
    """Return, as a clause, why the chances for so many documents are only a rough guide; "" where they are reliable.

    Three corrections are not exact: the degrees of freedom of few documents; the room left for an unseen one, which is
    itself random while fewer than `ENOUGH` lose; and unscored answers at their worst. `benchmarks/verdict.py` found
    chances that are off by more than 5 points only in such worlds.
    """
    if clusters < ENOUGH_CLUSTERS:
        return f"there are fewer than {ENOUGH_CLUSTERS} independent groups of documents"
    if spread.losing * clusters < ENOUGH:
        return f"only about {spread.losing * clusters:.0f} of the groups get worse"
    return "some answers lack a score" if spread.cost > 0 else ""


def in_words(criterion: str, power: Power) -> str:
    """Return what a number of questions can show of a criterion, in a sentence."""
    gain = (
        "no gain, however large,"
        if power.smallest_difference is None
        else f"a gain of {power.smallest_difference:.2f} or more"
    )
    rough = f" A rough guide only, since {power.doubt}." if power.doubt else ""
    enough = "" if power.n_for_margin is None else f" ({power.n_for_margin:,} questions: {WANTED:.0%})"
    return (
        f"{criterion}: {power.n:,} questions in {power.clusters:,} independent groups of documents show {gain} with "
        f"{WANTED:.0%} chance and, where there is no difference, rule out a loss beyond the margin of {power.margin:g} "
        f"with {power.chance_at_margin:.0%} chance{enough}; how scores vary was measured on "
        f"{power.spread.source}.{rough}"
    )
