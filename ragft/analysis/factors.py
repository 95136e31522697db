"""Main effects of a crossed design: what each property of fine-tuning changes, the others held equal."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ragft.analysis.clusters import Array
from ragft.analysis.crossed import ALPHA, crossed_mean

SEED = "seed"


@dataclass(frozen=True, slots=True)
class Run:
    """The change that one adapter makes, question by question.

    Attributes:
        levels: Factor -> level, and the seed among them.
        gains: Of each question, in the order that all runs share, [questions]; NaN is unscored.
    """

    levels: Mapping[str, str]
    gains: Array


@dataclass(frozen=True, slots=True)
class MainEffect:
    """What a level of a factor changes against its first level, averaged over everything else.

    Attributes:
        measure: What was measured, in which context.
        gain: Difference of the changes, in points of the measure; above 0 the level is better than the first.
        low: Lower end of its own 95 % interval.
        high: Upper end.
        low_all: Lower end of the interval that holds for all effects together (Bonferroni).
        high_all: Upper end.
        pairs: How many pairs of adapters, equal in everything else, it is the mean of.
        seeds: A seed is a random effect.
    """

    factor: str
    level: str
    against: str
    measure: str
    gain: float
    low: float
    high: float
    low_all: float
    high_all: float
    pairs: int
    seeds: int
    n: int
    clusters: int

    @property
    def shown(self) -> bool:
        """True where the interval for all effects together leaves out 0."""
        return self.low_all > 0 or self.high_all < 0


def main_effects(
    runs: Sequence[Run], factors: Mapping[str, Sequence[str]], labels: Sequence[str], measure: str
) -> list[MainEffect]:
    """Return the main effects of the factors that have at least two levels.

    Only pairs of adapters count that are equal in every other factor and in the seed, and of which both are there. A
    level without such a pair in two seeds has no effect.

    Args:
        runs: The adapters.
        factors: Factor -> its levels, in their order; the first is what the others are held against.
        labels: The cluster of each question.
        measure: Name for the result.
    """
    asked = [(factor, level) for factor, levels in factors.items() for level in levels[1:]]
    found = {tuple(sorted(run.levels.items())): run.gains for run in runs}
    effects = []
    for factor, level in asked:
        against = factors[factor][0]
        contrasts, pairs = _contrasts(found, factor, level, against)
        if len(contrasts) < 2:
            continue
        values = np.stack(contrasts)
        own, together = (crossed_mean(values, labels, alpha=alpha) for alpha in (ALPHA, ALPHA / len(asked)))
        if own.low is None or own.high is None or together.low is None or together.high is None:
            continue
        effects.append(
            MainEffect(
                factor=factor,
                level=level,
                against=against,
                measure=measure,
                gain=own.mean,
                low=own.low,
                high=own.high,
                low_all=together.low,
                high_all=together.high,
                pairs=pairs,
                seeds=own.seeds,
                n=own.n,
                clusters=own.clusters,
            )
        )
    return effects


def _contrasts(
    found: Mapping[tuple[tuple[str, str], ...], Array], factor: str, level: str, against: str
) -> tuple[list[Array], int]:
    """Return for every seed the mean difference between paired adapters, [questions], and the number of pairs."""
    differences: list[tuple[str, Array]] = []
    for key, gains in sorted(found.items()):
        levels = dict(key)
        if levels[factor] != level:
            continue
        twin = found.get(tuple(sorted({**levels, factor: against}.items())))
        if twin is not None:
            differences.append((levels[SEED], gains - twin))
    differences.sort(key=lambda pair: pair[0])
    by_seed = [[each for _, each in group] for _, group in itertools.groupby(differences, key=lambda pair: pair[0])]
    return [_mean(each) for each in by_seed], len(differences)


def _mean(values: Sequence[Array]) -> Array:
    """Return the mean of the scored, [questions]; NaN where none is."""
    stacked = np.stack(values)
    scored = (~np.isnan(stacked)).sum(axis=0)
    return np.where(scored > 0, np.nansum(stacked, axis=0) / np.maximum(scored, 1), np.nan)
