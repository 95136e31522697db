"""How far people disagree with each other, and with themselves, about a change; and what that costs an interval."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Numbers = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far people are apart about the change between two answers.

    Attributes:
        pairs: Questions of which two people or more scored both answers.
        sd: Standard deviation between people, pooled over these questions, in score points.
    """

    pairs: int
    sd: float


def disagreement(changes: Iterable[Numbers]) -> Disagreement | None:
    """Return how far people disagree; ``changes`` holds one number for each person (None: not asked) a question.

    None where no question was scored by two people.
    """
    several = [known for row in changes if len(known := [value for value in row if value is not None]) > 1]
    if not several:
        return None
    squares = sum(sum((value - statistics.fmean(row)) ** 2 for value in row) for row in several)
    return Disagreement(len(several), math.sqrt(squares / sum(len(row) - 1 for row in several)))


def half_width_without(
    half_width: float, sd: float, weights: Sequence[float], people: Sequence[int], *, share: float = 1.0
) -> float:
    """Return how wide half of the interval would be if people agreed: their part of its variance is taken out.

    The mean of ``people[i]`` people varies by sd^2 / people[i] about what all people would say, and counts
    weights[i] / sum(weights).

    Args:
        half_width: Of the 95 % interval as it is.
        sd: By `disagreement`.
        weights: 1 / sampling probability of each labelled question, in any unit.
        people: How many scored it, at least 1.
        share: The share of all questions that the labelled ones stand for; of the others the change is known.
    """
    total = sum(weights)
    variance = sum((weight / total) ** 2 * sd**2 / count for weight, count in zip(weights, people, strict=True))
    return math.sqrt(max(half_width**2 - (1.96 * share) ** 2 * variance, 0.0))


def own_noise(twice: Iterable[tuple[float, float]]) -> Disagreement | None:
    """Return how far a person is from what the same person said before: (first, second) of each repeated answer.

    The standard deviation is that of one score: two of them differ by its square root of two.
    """
    pairs = list(twice)
    if not pairs:
        return None
    return Disagreement(len(pairs), math.sqrt(statistics.fmean((one - other) ** 2 for one, other in pairs) / 2))
