"""Main effects of a crossed design: what each property of fine-tuning changes while the others stay the same."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.crossed import ALPHA, crossed_mean

SEED = "seed"


@dataclass(frozen=True, slots=True)
class AdapterGains:
    """The change that one adapter makes, question by question.

    Attributes:
        levels: Factor -> level, and the seed among them.
        gains: The gain on each question, in an order that all runs share, [questions]; NaN is unscored.
    """

    levels: Mapping[str, str]
    gains: Array


@dataclass(frozen=True, slots=True)
class MainEffect:
    """How a level of a factor differs from its first level, averaged over everything else.

    Attributes:
        measure: What was measured, in which context.
        gain: Difference of the changes, in points of the measure; above 0 the level is better than the first.
        low: Lower end of its own 95 % interval.
        high: Upper end.
        low_all: Lower end of the interval that holds for all effects of the study together (Bonferroni).
        high_all: Upper end.
        pairs: It is the mean over so many pairs of adapters that are equal in everything else.
        seeds: A seed is a random effect.
        dof: Degrees of freedom of its intervals; 0.0 in files that do not say it.
        together: How many effects, on all measures, the interval for all holds for; 0 in files that do not say,
            where it holds only for those on the same measure.
        among: Axis -> value of the adapters it is an effect among, where a study has several groups of them: of
            different data or bases, or asked and judged in different ways. Empty where it has one.
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
    dof: float = 0.0
    together: int = 0
    among: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> bool:
        """True where the interval for all effects together leaves out 0."""
        return self.low_all > 0 or self.high_all < 0


def main_effects(
    runs: Sequence[AdapterGains],
    factors: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    measure: str,
    *,
    measures: int,
    among: Mapping[str, str] | None = None,
) -> list[MainEffect]:
    """Return the main effects of the factors that have at least two levels.

    Only pairs of adapters count that are equal in every other factor and in the seed, and that are both there. A
    level without such a pair in two seeds has no effect.

    Args:
        runs: The adapters, which differ in the factors and the seed alone.
        factors: Factor -> its levels, in their order; the others are compared with the first.
        labels: The cluster of each question.
        measure: Name for the result.
        measures: How many measures main effects are reported on, those of every group of adapters counted: the
            interval for all holds for the effects on each.
        among: What the adapters share and other groups of the study do not, for the result.

    Raises:
        ValueError: If two adapters have the same levels and seed: one would be left out without a word.
    """
    asked = [(factor, level, levels[0]) for factor, levels in factors.items() for level in levels[1:]]
    together = len(asked) * measures
    gains_of = _by_levels(runs)
    effects = []
    for factor, level, against in asked:
        contrasts, pairs = _contrasts(gains_of, factor, level, against)
        if len(contrasts) < 2:
            continue
        values = np.stack(contrasts)
        own, joint = (crossed_mean(values, labels, alpha=alpha) for alpha in (ALPHA, ALPHA / together))
        if own.low is None or own.high is None or joint.low is None or joint.high is None:
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
                low_all=joint.low,
                high_all=joint.high,
                pairs=pairs,
                seeds=own.seeds,
                n=own.n,
                clusters=own.clusters,
                dof=own.dof,
                together=together,
                among=dict(among or {}),
            )
        )
    return effects


def held_together(effects: Sequence[MainEffect]) -> list[MainEffect]:
    """Return the effects of a stored study; intervals that held for one measure are widened to hold for all.

    Both intervals of such an effect are of a t distribution at known levels, so their ratio gives its degrees of
    freedom. Where there was one effect on a measure, both are the same: the fewest degrees of freedom are assumed.
    """
    return [each if each.together else _widened(each, effects) for each in effects]


def _widened(effect: MainEffect, effects: Sequence[MainEffect]) -> MainEffect:
    own = sum(each.measure == effect.measure for each in effects)
    reach, known = effect.high - effect.gain, effect.high_all - effect.gain

    def wider(dof: float, family: int) -> float:
        return float(stats.t.isf(ALPHA / family, dof) / stats.t.isf(ALPHA, dof))

    dof = 1.0
    if own > 1 and reach > 0:
        dof = float(brentq(lambda each: wider(each, own) - known / reach, 0.5, 1e7))
    joint = reach * wider(dof, len(effects))
    return replace(effect, low_all=effect.gain - joint, high_all=effect.gain + joint, dof=dof, together=len(effects))


def _by_levels(runs: Sequence[AdapterGains]) -> dict[tuple[tuple[str, str], ...], Array]:
    """Return (factor, level) pairs in order -> gains; no two adapters have the same."""
    gains_of: dict[tuple[tuple[str, str], ...], Array] = {}
    for run in runs:
        key = tuple(sorted(run.levels.items()))
        if key in gains_of:
            raise ValueError(f"two adapters have the levels {dict(key)}: they differ in what is no factor")
        gains_of[key] = run.gains
    return gains_of


def _contrasts(
    gains_of: Mapping[tuple[tuple[str, str], ...], Array], factor: str, level: str, against: str
) -> tuple[list[Array], int]:
    """Return for every seed the mean difference between paired adapters, [questions], and the number of pairs."""
    differences: list[tuple[str, Array]] = []
    for key, gains in sorted(gains_of.items()):
        levels = dict(key)
        if levels[factor] != level:
            continue
        twin = gains_of.get(tuple(sorted({**levels, factor: against}.items())))
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
