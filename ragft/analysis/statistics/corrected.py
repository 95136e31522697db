"""The mean of people's scores, estimated from few of them and a judge's score of every question.

Prediction-powered inference (Angelopoulos et al. 2023, Science 382, 669-674) with the weight of PPI++ (Angelopoulos,
Duchi and Zrnic 2023, arXiv 2311.01453) and unequal sampling probabilities (active statistical inference, Zrnic and
Candes 2024, arXiv 2403.03208). Of question i the judge's value is f_i and people's is y_i; people were asked with
probability p_i (then x_i = 1, else 0). For any weight L the mean of

    d_i = L f_i + (x_i / p_i) (y_i - L f_i)

has the expectation of the mean of y, whatever the judge is worth. Three things are changed:

- **Normalised weights.** With w_i = x_i / p_i, sums over what people were asked are divided by sum(w), not by the
  number of questions (Hajek 1971), and f is centred. Constants, in y or in f, then cost nothing, and a sheet of which
  some part came back is weighted as a smaller sheet.
- **Documents are clusters.** The estimate is a ratio, so to first order its error is a sum over documents g:

      error = sum(S_g) / sum(w),    S_g = sum in g of w (y - L f - mean) + L F_g sum(w) / N

  with F_g the sum of the centred f over all questions of g, asked or not. That is the form which every interval of ours
  has: totals per cluster T_g, sizes per cluster W_g = sum in g of w, mean sum(T) / sum(W). CR2 takes leverage and
  degrees of freedom from W_g, so only documents in which people were asked count as evidence; the bootstrap draws all
  documents, asked or not. With everything asked it is the plain clustered mean of y.
- **The weight is fitted without the document it is used in.** L minimises sum(S_g^2), a regression through the origin;
  L_g is that of all other documents. Else few labels would make the error look smaller than it is. It is not below 0: a
  judge that says the opposite of people is not listened to.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.clusters import Array, ClusterSums


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedSums:
    """Clustered sums whose mean is the corrected estimate, for many studies at once.

    Attributes:
        sums: Totals and squares of the values, and sizes, which add up to the number of labels, [studies, clusters].
        told: Sum of people's own values of each cluster, [studies, clusters]: which documents got worse or better.
        weight: How far the judge is listened to, [studies]: 0 not at all, 1 point for point.
        share: The share of the questions that needed asking, [studies]. The others are known to be 0, and all of the
            above is about those that needed it: a mean or a bound, times ``share``, is one of all questions.
    """

    sums: ClusterSums
    told: Array
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
        cluster: Number of each question's cluster, [questions], from 0.
        same: 1.0 where both sides gave the same answer, [studies, questions], so that the value is 0 and nobody has to
            be asked; 0.0 elsewhere. They count as asked, in no interval as labels.

    Raises:
        ValueError: If a probability is not above 0, or a study has no label.
    """
    groups = int(cluster.max()) + 1
    order = np.argsort(cluster, kind="stable")
    starts = np.searchsorted(cluster[order], np.arange(groups))

    def add(values: Array) -> Array:
        return np.asarray(np.add.reduceat(values[:, order], starts, axis=1))

    asking = np.ones_like(judge) if same is None else 1.0 - same
    asked = ~np.isnan(people) & (asking > 0)
    if not (probability[asked] > 0).all():
        raise ValueError("a label was sampled with probability 0")
    labels = asked.sum(axis=1)
    if not labels.all():
        raise ValueError("a study has no label")
    weights = np.where(asked, 1.0 / np.where(asked, probability, 1.0), 0.0)
    weights *= (labels / weights.sum(axis=1))[:, None]
    own = np.where(asked, people, 0.0)
    needed = asking.sum(axis=1)
    scale = (labels / needed)[:, None]
    known = ~np.isnan(judge) & (asking > 0)
    centre = np.where(known, judge, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, judge - centre[:, None], 0.0)

    sizes = add(weights)
    count = labels[:, None]
    people_mean = (weights * own).sum(axis=1)[:, None] / count
    judge_mean = (weights * centred).sum(axis=1)[:, None] / count
    outcome = add(weights * (own - people_mean) * asked)
    covariate = add(weights * (centred - judge_mean) * asked) - scale * add(centred)
    product, square = outcome * covariate, covariate**2
    total, squared = product.sum(axis=1), square.sum(axis=1)
    fitted = _slope(total[:, None] - product, squared[:, None] - square)

    by_question = fitted[:, cluster]
    value = own - by_question * centred * (1.0 - scale)
    totals = add(weights * own) - fitted * (add(weights * centred) - scale * add(centred))
    mean = totals.sum(axis=1)[:, None] / count
    share = needed / judge.shape[1]
    if same is not None:
        # Documents differ in how many of their questions needed asking, which moves the mean of all too.
        totals = totals + mean * scale * (add(asking) - share[:, None] * np.bincount(cluster, minlength=groups))
    return CorrectedSums(
        ClusterSums(totals, add(weights * value**2), sizes), add(weights * own), _slope(total, squared), share
    )


def _slope(product: Array, square: Array) -> Array:
    """Return the slope of a regression through the origin, not below 0; 0.0 where the covariate does not vary."""
    return np.maximum(np.divide(product, square, out=np.zeros_like(product), where=square > 1e-12), 0.0)
