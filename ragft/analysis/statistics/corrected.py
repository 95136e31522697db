"""The mean of people's scores, estimated from few of them and a judge's score of every question.

Prediction-powered inference (Angelopoulos et al. 2023, Science 382, 669-674) with the weight of PPI++ (Angelopoulos,
Duchi and Zrnic 2023, arXiv 2311.01453) and unequal sampling probabilities (active statistical inference, Zrnic and
Candes 2024, arXiv 2403.03208). Of question i the judge's value is f_i and people's is y_i; people were asked with
probability p_i (then x_i = 1, else 0). For any weight L the mean of

    d_i = L f_i + (x_i / p_i) (y_i - L f_i)

has the expectation of the mean of y, whatever the judge is worth. Four things are changed:

- **Normalised weights.** With w_i = x_i / p_i, sums over what people were asked are divided by sum(w), not by the
  number of questions (Hajek 1971), and f is centred. Constants, in y or in f, then cost nothing, and a sheet of which
  some part came back is weighted as a smaller sheet.
- **Documents are clusters.** The estimate is a ratio, so to first order its error is a sum over documents g:

      error = sum(S_g) / sum(w),    S_g = sum in g of w (y - L f - mean) + L F_g sum(w) / N

  with F_g the sum of the centred f over all questions of g, asked or not. That is the form which every interval of ours
  has: totals per cluster T_g, sizes per cluster W_g = sum in g of w, mean sum(T) / sum(W). CR2 takes leverage and
  degrees of freedom from W_g, so only documents in which people were asked count as evidence; the bootstrap draws all
  documents, asked or not. With everything asked it is the plain clustered mean of y.
- **Room for a document that was not asked about.** As everywhere (`with_unseen`), but which documents got worse is told
  by people alone, and the judge may have praised what got worst: how much, is what it did where people saw a loss.
- **The weight is fitted without the document it is used in.** L minimises sum(S_g^2), a regression through the origin;
  L_g is that of all other documents. Else few labels would make the error look smaller than it is. It is not below 0: a
  judge that says the opposite of people is not listened to. Nor is one whose weight lies within two standard errors of
  0, and others a little less than in full: a judge that praises every change seems to agree with people in just those
  samples that show too many gains.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.bounds import Told
from ragft.analysis.statistics.clusters import Array, ClusterSums

# A judge whose values vary by less than their root says the same of everything: what is left is rounding.
ROUNDING = 1e-12
# The judge's weight is shrunk to 0 where it is below so many of its standard errors.
ERRORS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedSums:
    """Clustered sums whose mean is the corrected estimate, for many studies at once.

    Attributes:
        sums: Totals and squares of the values, and sizes, which add up to the number of labels, [studies, clusters].
        told: Which documents got worse or better by people's own values, and how far off one may be that nobody saw.
        weight: How far the judge is listened to, [studies]: 0 not at all, 1 point for point.
        share: The share of the questions that needed asking, [studies]. The others are known to be 0, and all of the
            above is about those that needed it: a mean or a bound, times ``share``, is one of all questions.
    """

    sums: ClusterSums
    told: Told
    weight: Array
    share: Array


def corrected_sums(
    judge: Array, people: Array, probability: Array, cluster: npt.NDArray[np.integer], *, same: Array | None = None
) -> CorrectedSums:
    """Return the sums of the corrected mean of people's values.

    Args:
        judge: The judge's values, [studies, questions]; NaN, where it has none, counts as its mean.
        people: People's values, [studies, questions]; NaN where they were not asked.
        probability: With which each question was asked, above 0, [studies, questions]; only ratios count, so a uniform
            sample may be 1 everywhere.
        cluster: Number of each question's cluster, [questions]; from 0, and each number has a question.
        same: 1.0 where both sides gave the same answer, [studies, questions], so that the value is 0 and nobody has to
            be asked; 0.0 elsewhere. They count as asked, in no interval as labels.

    Raises:
        ValueError: If a probability is not above 0, or a study has no label.
    """
    asking = np.ones(judge.shape) if same is None else 1.0 - same
    asked = ~np.isnan(people) & (asking > 0)
    weights = _weights(asked, probability)
    own, centred = np.where(asked, people, 0.0), _centred(judge, asking > 0)
    labels, needed = asked.sum(axis=1)[:, None], asking.sum(axis=1)[:, None]
    scale, share = labels / needed, needed / judge.shape[1]

    add = _adding(cluster)
    sizes, spoken, heard, expected = add(weights), add(weights * own), add(weights * centred), add(centred)
    # What each cluster adds to the error, of people's values and of the judge's beside their mean over all questions.
    outcome = spoken - sizes * spoken.sum(axis=1, keepdims=True) / labels
    covariate = heard - sizes * heard.sum(axis=1, keepdims=True) / labels - scale * expected
    fitted, weight = _fitted(outcome, covariate)

    totals = spoken - fitted * (heard - scale * expected)
    squares = add(weights * (own - fitted[:, cluster] * centred * (1.0 - scale)) ** 2)
    if same is not None:
        # Documents differ in how many of their questions needed asking, which moves the mean of all too.
        mean = totals.sum(axis=1, keepdims=True) / labels
        totals = totals + mean * scale * (add(asking) - share * np.bincount(cluster))
    told = Told(spoken, *(_depth(weights, side * own, side * centred, weight) for side in (-1.0, 1.0)))
    return CorrectedSums(ClusterSums(totals, squares, sizes, add(weights**2)), told, weight, share[:, 0])


def _weights(asked: npt.NDArray[np.bool_], probability: Array) -> Array:
    """Return the inverse probabilities of the labels, which add up to their number, [studies, questions]."""
    if not (probability[asked] > 0).all():
        raise ValueError("a label was sampled with probability 0")
    labels = asked.sum(axis=1, keepdims=True)
    if not labels.all():
        raise ValueError("a study has no label")
    weights = np.where(asked, 1.0 / np.where(asked, probability, 1.0), 0.0)
    return np.asarray(weights * labels / weights.sum(axis=1, keepdims=True))


def _centred(judge: Array, needed: npt.NDArray[np.bool_]) -> Array:
    """Return the judge's values less their mean; 0.0 where there is none, or none is needed."""
    known = ~np.isnan(judge) & needed
    mean = np.where(known, judge, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, judge - mean, 0.0)


def _adding(cluster: npt.NDArray[np.integer]) -> Callable[[Array], Array]:
    """Return what adds [studies, questions] up to [studies, clusters]."""
    order = np.argsort(cluster, kind="stable")
    starts = np.searchsorted(cluster[order], np.arange(int(cluster.max()) + 1))
    sorted_already = bool((np.diff(cluster) >= 0).all())

    def add(values: Array) -> Array:
        return np.asarray(np.add.reduceat(values if sorted_already else values[:, order], starts, axis=1))

    return add


def _depth(weights: Array, people: Array, judge: Array, weight: Array) -> Array:
    """Return how far off a document may be that people were not asked about, as a multiple of the extreme, [studies].

    At worst people give it the extreme, 1. The judge makes that worse by what it said the other way of the questions
    that people found to lie on this side, above 0 here; where there is none, it may have said the extreme.
    """
    there = weights * np.maximum(people, 0.0)
    otherwise = -(weights * judge * (people > 0)).sum(axis=1)
    reach = there.sum(axis=1)
    wrong = np.divide(otherwise, reach, out=np.ones_like(reach), where=reach > 0)
    return np.asarray(1 + weight * np.clip(wrong, 0.0, 1.0))


def _fitted(outcome: Array, covariate: Array) -> tuple[Array, Array]:
    """Return the judge's weight for each cluster, fitted without it, [studies, clusters], and of all, [studies]."""
    product, square = outcome * covariate, covariate**2
    parts = np.array([product, square, product**2, product * square, square**2])
    totals = parts.sum(axis=2, keepdims=True)
    return _slope(*(totals - parts)), _slope(*totals)[:, 0]


def _slope(product: Array, square: Array, products: Array, mixed: Array, squares: Array) -> Array:
    """Return the slope of a regression through the origin, shrunk by its error; 0.0 where the covariate does not vary.

    The arguments are sums over clusters, of the product of both and of the square of the covariate, and of the squares
    and the product of these two. The slope's variance is cluster-robust (CR0). It is shrunk by the nonnegative garrote,
    slope (1 - (2 errors / slope)^2), and 0 below two errors (Breiman 1995, Technometrics 37, 373-384).
    """
    slope = np.maximum(np.divide(product, square, out=np.zeros_like(product), where=square > ROUNDING), 0.0)
    noise = np.maximum(products - 2 * slope * mixed + slope**2 * squares, 0.0)
    share = np.divide(noise, product**2, out=np.ones_like(slope), where=slope > 0)
    return np.asarray(slope * np.maximum(1 - ERRORS**2 * share, 0.0))
