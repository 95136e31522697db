"""How far the judge agrees with people, how far people agree with each other, and whether length sways the judge."""

import itertools
import math
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.stats

from ragft.judging.outcomes import JUDGED_BY, AtTheCut, at_the_cut
from ragft.prompts.criterion import Criterion

Numbers = Sequence[float | None]
Scale = Literal["criterion", "yes_no", "other"]
"""What people's numbers are: the criterion's own, 1 for good and 0 for not, or something that can only be ranked."""


@dataclass(frozen=True, slots=True)
class Correlations:
    """Three correlations in [-1, 1] over ``n`` rows; None where one side is constant or has fewer than 3 rows."""

    n: int
    pearson: float | None
    spearman: float | None
    kendall: float | None


@dataclass(frozen=True, slots=True)
class GroupedCorrelations:
    """Means over groups of the correlations within each group; a group where one side is constant is skipped."""

    n_groups: int
    n_skipped: int
    pearson: float | None
    spearman: float | None
    kendall: float | None


@dataclass(frozen=True, slots=True)
class LengthBias:
    """Whether the judge favours long answers where people do not.

    Attributes:
        spearman: Correlation of the number of words with (judge minus people, as a share of the scale, above 0 where
            the judge is kinder).
        shortest: Mean of that difference over the third of the answers with the fewest words.
        longest: Over the third with the most.
    """

    n: int
    spearman: float | None
    shortest: float | None
    longest: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The judge compared with people under one criterion.

    Attributes:
        n: Rows that both judge and at least one person scored.
        n_unscored: Rows that people scored and the judge could not.
        scale: What people's numbers are; kappa and the confusion need a scale that they share with the judge.
        kappa: Quadratically weighted, of the judge with the mean of the people, each at the nearest level.
        overall: Correlations over all rows, with the judge's numbers turned as in `oriented`.
        grouped: Correlations within groups (questions, documents); None without groups.
        human_kappa: Kappa between people, as the mean over their pairs; None with fewer than two people.
        human: Correlations between people, means over their pairs.
        levels: What the rows and columns of the confusion stand for.
        confusion: [people, judge] counts.
        cut: How often both call an answer right, under the criterion that says so where no rule does; else None.
    """

    criterion: str
    n: int
    n_unscored: int
    scale: Scale
    kappa: float | None
    overall: Correlations
    grouped: GroupedCorrelations | None
    human_kappa: float | None
    human: Correlations | None
    length_bias: LengthBias | None
    levels: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    cut: AtTheCut | None = None


@dataclass(frozen=True, slots=True)
class EstimatorAgreement:
    """How two estimators of the same criterion differ on the same answers.

    Attributes:
        n: Rows that both scored.
        mean_difference: Of the second less the first.
        n_far: Rows that differ by more than a quarter of the scale (by more than 1, from 1 to 5).
    """

    n: int
    spearman: float | None
    mean_difference: float | None
    n_far: int


def compare_estimators(criterion: Criterion, first: Numbers, second: Numbers) -> EstimatorAgreement:
    """Return how far two estimators agree, row by row; unscored rows are left out."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    gaps = [b - a for a, b in pairs]
    return EstimatorAgreement(
        len(pairs),
        correlations([a for a, _ in pairs], [b for _, b in pairs]).spearman,
        _mean(gaps),
        sum(abs(gap) > criterion.range / 4 for gap in gaps),
    )


def compare(
    criterion: Criterion,
    judge: Numbers,
    people: Sequence[Numbers],
    *,
    groups: Sequence[Hashable] | None = None,
    words: Sequence[int] | None = None,
) -> Agreement:
    """Return the agreement of the judge with people.

    Args:
        criterion: Gives the scale of the judge's numbers.
        judge: One score per row, None where it is unscored.
        people: For each annotator one number per row, None where there is none.
        groups: For each row what it belongs to, for correlations within groups.
        words: For each row the number of words of the answer.

    Raises:
        ValueError: If there is nobody, or the lengths differ.
    """
    lengths = {len(judge), *map(len, people), *(len(x) for x in (groups, words) if x is not None)}
    if not people or len(lengths) > 1:
        raise ValueError(f"expected at least one annotator and equal lengths, got {len(people)} and {sorted(lengths)}")
    means = mean_of_people(people)
    kept = [i for i, (own, mean) in enumerate(zip(judge, means, strict=True)) if own is not None and mean is not None]
    left, right = _taken(judge, kept), _taken(means, kept)
    scale = _scale(criterion, people)
    levels = (0.0, 1.0) if scale == "yes_no" else tuple(sorted(criterion.scores.values()))
    graded = [_good(value, criterion) for value in left] if scale == "yes_no" else left
    confusion = confusion_of(right, graded, levels) if scale != "other" else ()
    bias = None
    if words is not None and scale != "other":
        span = 1.0 if scale == "yes_no" else criterion.best - criterion.worst
        bias = _length_bias(graded, right, [words[i] for i in kept], span)
    human = pair_agreement(people, levels if scale != "other" else ())
    return Agreement(
        criterion=criterion.name,
        n=len(kept),
        n_unscored=sum(mean is not None for mean in means) - len(kept),
        scale=scale,
        kappa=weighted_kappa(confusion, levels) if scale != "other" else None,
        overall=correlations(graded, right),
        grouped=None if groups is None else grouped_correlations(graded, right, [groups[i] for i in kept]),
        human_kappa=human[0] if human else None,
        human=human[1] if human else None,
        length_bias=bias,
        levels=levels,
        confusion=confusion,
        cut=_at_the_cut(criterion, left, right, scale),
    )


def _at_the_cut(criterion: Criterion, judge: Sequence[float], people: Sequence[float], scale: Scale) -> AtTheCut | None:
    if criterion.name != JUDGED_BY or scale == "other":
        return None
    return at_the_cut(criterion, judge, people, yes_no=scale == "yes_no")


def mean_of_people(people: Sequence[Numbers]) -> list[float | None]:
    """Return the mean of the annotators' numbers of each row, None where nobody gave one."""
    return [_mean(row) for row in zip(*people, strict=True)]


def oriented(criterion: Criterion, judge: Numbers, scale: Scale) -> list[float | None]:
    """Return the judge's numbers so that they rise where people's do: against yes and no, 1 is the best."""
    if scale != "yes_no":
        return list(judge)
    return [None if value is None else _good(value, criterion) for value in judge]


def correlations(x: Sequence[float], y: Sequence[float]) -> Correlations:
    """Return Pearson's r, Spearman's rho and Kendall's tau-b of paired numbers."""
    if len(x) != len(y):
        raise ValueError(f"expected pairs, got {len(x)} and {len(y)} numbers")
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return Correlations(len(x), None, None, None)
    pearson, spearman, kendall = (
        float(test(x, y).statistic) for test in (scipy.stats.pearsonr, scipy.stats.spearmanr, scipy.stats.kendalltau)
    )
    return Correlations(len(x), pearson, spearman, kendall)


def grouped_correlations(x: Sequence[float], y: Sequence[float], groups: Sequence[Hashable]) -> GroupedCorrelations:
    """Return the means of the correlations within each group, as summary-level correlations are reported."""
    rows: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        rows.setdefault(group, []).append(index)
    inside = [correlations([x[i] for i in own], [y[i] for i in own]) for own in rows.values()]
    used = [pair for pair in inside if pair.kendall is not None]
    return GroupedCorrelations(
        len(used),
        len(inside) - len(used),
        _mean([pair.pearson for pair in used]),
        _mean([pair.spearman for pair in used]),
        _mean([pair.kendall for pair in used]),
    )


def confusion_of(
    rows: Sequence[float], columns: Sequence[float], levels: Sequence[float]
) -> tuple[tuple[int, ...], ...]:
    """Return how often each pair of levels occurs, [rows, columns]; a number counts at its nearest level."""
    counts = np.zeros((len(levels), len(levels)), dtype=int)
    for row, column in zip(rows, columns, strict=True):
        counts[_nearest(row, levels), _nearest(column, levels)] += 1
    return tuple(tuple(int(count) for count in line) for line in counts)


def weighted_kappa(confusion: Sequence[Sequence[int]], levels: Sequence[float]) -> float | None:
    """Return Cohen's kappa with the squared distance of the levels as weight (Cohen 1968).

    Returns:
        At most 1; 0 is agreement by chance; None when chance alone cannot disagree.
    """
    counts: npt.NDArray[np.float64] = np.asarray(confusion, dtype=float)
    if counts.sum() == 0:
        return None
    distance = np.subtract.outer(np.asarray(levels), np.asarray(levels)) ** 2
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    by_chance = float((distance * expected).sum())
    return None if by_chance == 0 else 1 - float((distance * counts).sum()) / by_chance


def pair_agreement(people: Sequence[Numbers], levels: Sequence[float]) -> tuple[float | None, Correlations] | None:
    """Return kappa and correlations between people, as means over the pairs that share rows; None without a pair."""
    kappas: list[float | None] = []
    pairs: list[Correlations] = []
    for one, other in itertools.combinations(people, 2):
        shared = [i for i, pair in enumerate(zip(one, other, strict=True)) if None not in pair]
        if shared:
            x, y = _taken(one, shared), _taken(other, shared)
            pairs.append(correlations(x, y))
            kappas.append(weighted_kappa(confusion_of(x, y, levels), levels) if levels else None)
    if not pairs:
        return None
    return _mean(kappas), Correlations(
        sum(pair.n for pair in pairs),
        _mean([pair.pearson for pair in pairs]),
        _mean([pair.spearman for pair in pairs]),
        _mean([pair.kendall for pair in pairs]),
    )


def _scale(criterion: Criterion, people: Sequence[Numbers]) -> Scale:
    numbers = {number for person in people for number in person if number is not None}
    low, high = min(criterion.scores.values()), max(criterion.scores.values())
    if all(low <= number <= high for number in numbers):
        return "criterion"
    return "yes_no" if numbers <= {0.0, 1.0} else "other"


def _good(value: float, criterion: Criterion) -> float:
    return (value - criterion.worst) / (criterion.best - criterion.worst)


def _length_bias(
    judge: Sequence[float], people: Sequence[float], words: Sequence[int], span: float
) -> LengthBias | None:
    """Return the bias of numbers on one scale whose best less worst is ``span``; None below three rows."""
    if len(judge) < 3:
        return None
    gaps = [(own - theirs) / span for own, theirs in zip(judge, people, strict=True)]
    order = sorted(range(len(words)), key=lambda index: words[index])
    third = math.ceil(len(order) / 3)
    return LengthBias(
        len(gaps),
        correlations(gaps, [float(count) for count in words]).spearman,
        statistics.fmean(gaps[index] for index in order[:third]),
        statistics.fmean(gaps[index] for index in order[-third:]),
    )


def _nearest(number: float, levels: Sequence[float]) -> int:
    return min(range(len(levels)), key=lambda index: abs(levels[index] - number))


def _mean(numbers: Numbers) -> float | None:
    there = [number for number in numbers if number is not None]
    return statistics.fmean(there) if there else None


def _taken(numbers: Numbers, indices: Sequence[int]) -> list[float]:
    picked = [numbers[index] for index in indices]
    return [number for number in picked if number is not None]
