"""Which questions people are asked about: with what probability, drawn how, and how wide the interval will be.

Active statistical inference (Zrnic and Candes 2024, arXiv 2403.03208): the variance of the corrected mean is smallest
where a question is asked with a probability in proportion to how far the judge may be off there. Their mixture with a
uniform sample keeps the weights of questions on which the judge was wrongly sure from ruining the interval.
"""

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.corrected import corrected_sums
from ragft.analysis.statistics.resampling import draw, resample

# Half of the labels are spread evenly, so no label weighs more than twice what it would in a uniform sample.
EVENLY = 0.5
# How often labels are made up to foresee a width, and the bootstrap's resamples of each.
DRAWS, RESAMPLES = 100, 399


def inclusion_probabilities(
    uncertainty: Array, budget: int, *, same: Array | None = None, evenly: float = EVENLY
) -> Array:
    """Return with what probability each question is asked, [..., questions]; they add up to ``budget``.

    All are above 0, but those of questions that need no asking. A budget of as many questions as need it asks them all.

    Args:
        uncertainty: How far people may be from the judge, at least 0, in any unit, [..., questions]. All alike, it asks
            a uniform sample.
        budget: How many questions are asked.
        same: 1.0 where both sides gave the same answer, so that nobody has to be asked, else 0.0, [..., questions].
        evenly: The share of the budget that is spread over all questions alike, in (0, 1].

    Raises:
        ValueError: If the budget is below 1, or an uncertainty is below 0 or not finite.
    """
    if budget < 1:
        raise ValueError(f"budget is {budget}, expected at least 1")
    if not np.isfinite(uncertainty).all() or (uncertainty < 0).any():
        raise ValueError("an uncertainty is below 0 or not finite")
    asking = np.ones(uncertainty.shape) if same is None else 1.0 - same
    needed = asking.sum(axis=-1, keepdims=True)
    unsure = asking * uncertainty
    mean = unsure.sum(axis=-1, keepdims=True) / np.maximum(needed, 1)
    relative = np.divide(unsure, mean, out=asking.copy(), where=mean > 0)
    wanted = evenly * asking + (1 - evenly) * relative
    certain = (budget >= needed) & (asking > 0)
    while True:  # what would be asked more than once is asked once, and the rest of the budget goes to the others
        left = np.maximum(budget - certain.sum(axis=-1, keepdims=True), 0)
        rest = np.where(certain, 0.0, wanted)
        total = rest.sum(axis=-1, keepdims=True)
        found = np.where(certain, 1.0, np.divide(rest * left, total, out=np.zeros(rest.shape), where=total > 0))
        if not (found > 1).any():
            return np.asarray(found)
        certain |= found > 1


def draw_questions(
    probability: Array, cluster: npt.NDArray[np.integer], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return which questions are asked, [studies, questions]: as many as the probabilities add up to, a whole number.

    A systematic sample (Madow 1949, Annals of Mathematical Statistics 20, 333-354) of the questions in the order of
    their documents, which are shuffled: it asks each question with its probability, and spreads the questions over as
    many documents as it can. ``cluster`` [questions] is the number of each question's document.
    """
    studies, questions = probability.shape
    documents = np.argsort(rng.random((studies, int(cluster.max()) + 1)), axis=1)
    order = np.argsort(documents[:, cluster] + rng.random((studies, questions)), axis=1)
    reached = np.cumsum(np.take_along_axis(probability, order, axis=1), axis=1)
    reached *= np.round(reached[:, -1:]) / reached[:, -1:]  # rounding must not lose the last question
    ticks = np.floor(reached + rng.random((studies, 1)))
    hit = np.diff(ticks, axis=1, prepend=0.0) > 0
    asked = np.zeros(probability.shape, dtype=np.bool_)
    np.put_along_axis(asked, order, hit, axis=1)
    return asked


def expected_half_width(
    judge: Array,
    uncertainty: Array,
    probability: Array,
    cluster: npt.NDArray[np.integer],
    *,
    extreme: float,
    step: float,
    alpha: float = 0.025,
) -> float:
    """Return how wide half of the corrected interval will be, before anybody is asked; the unit is that of the scores.

    Labels are made up many times and the interval is computed of each: people say what the judge says, give or take
    ``uncertainty``. It is as good as this is.

    Args:
        judge: The judge's values of the questions that need asking, [questions].
        uncertainty: Standard deviation of people's values around the judge's, in the unit of the values, [questions].
        probability: With which each question is asked, [questions].
        cluster: Number of each question's document, [questions].
        extreme: The largest value there can be.
        step: The distance between two values that people can give.
        alpha: One-sided error rate of each end.
    """
    rng = np.random.default_rng(0)
    cluster = np.unique(cluster, return_inverse=True)[1]
    shape = (DRAWS, len(judge))
    noise = uncertainty * rng.standard_normal(shape)
    people = np.clip(np.round((np.nan_to_num(judge) + noise) / step) * step, -extreme, extreme)
    probabilities = np.broadcast_to(probability, shape)
    asked = draw_questions(probabilities, cluster, rng)
    corrected = corrected_sums(np.broadcast_to(judge, shape), np.where(asked, people, np.nan), probabilities, cluster)
    drawn = resample(corrected.sums, draw(int(cluster.max()) + 1, RESAMPLES, rng))
    low, high = (
        deciding_bounds(corrected.sums, drawn, [level], extreme, told=corrected.told)[0] for level in (alpha, 1 - alpha)
    )
    return float((high - low).mean() / 2)
