"""How much of the spread of scores comes from the questions, and how much is the judge's own noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Repeats are enough when their noise widens the standard error of the mean by at most this much.
WIDENING = 0.05


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Variance components of repeated scores.

    Attributes:
        between_questions: Variance of the questions' true means, at least 0; None below two questions.
        between_repeats: Pooled variance of the repeats of one question; None without repeats.
        repeats_enough: The fewest repeats whose standard error of the mean is at most 5 % wider than with
            infinitely many. None when that is unknown, when no number would do, or when it is more than were made,
            which would be a guess.
    """

    between_questions: float | None
    between_repeats: float | None
    repeats_enough: int | None


def spread(repeats: Sequence[Sequence[float]]) -> VarianceComponents:
    """Return the variance components of scores: one row of readable repeats per question.

    One-way random effects by the method of moments: the variance of the rows' means minus what the
    repeats add to it (their pooled variance over the harmonic mean of the rows' lengths).
    """
    rows = [np.asarray(row, dtype=float) for row in repeats if len(row) > 0]
    freedom = sum(len(row) - 1 for row in rows)
    within = sum(float(((row - row.mean()) ** 2).sum()) for row in rows) / freedom if freedom else None
    if len(rows) < 2:
        return VarianceComponents(None, within, None)
    noise = 0.0 if within is None else within * float(np.mean([1 / len(row) for row in rows]))
    between = max(0.0, float(np.var([row.mean() for row in rows], ddof=1)) - noise)
    made = max(len(row) for row in rows)
    return VarianceComponents(between, within, None if within is None else _enough(between, within, made))


def _enough(between: float, within: float, made: int) -> int | None:
    if within == 0.0:
        return 1
    if between == 0.0:
        return None
    # sqrt((between + within / n) / between) <= 1 + WIDENING
    enough = within / (between * ((1 + WIDENING) ** 2 - 1))
    return max(1, math.ceil(enough - 1e-9)) if enough <= made else None
