"""What a study found: its cells, the means over seeds, what each property changes, and how estimators agree."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.crossed import crossed_mean
from ragft.analysis.study.factors import SEED, AdapterGains, MainEffect, main_effects
from ragft.types import DECIDING

AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class SideScores:
    """Both sides' scores, in the order of the cell's questions; None is unscored."""

    base: tuple[float | None, ...]
    version: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class CellScores:
    """The scores of a cell, question by question.

    Attributes:
        labels: The cluster of each question.
        scores: Context -> measure -> scores.
    """

    questions: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Mapping[str, Mapping[str, SideScores]]


@dataclass(frozen=True, slots=True)
class Level:
    """A mean with its interval.

    Attributes:
        low: Lower end; None with one document.
        high: Upper end.
    """

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A measure in a context: base, version, and their paired difference, above 0 where the version is better.

    Attributes:
        n: Questions scored on both sides.
        unscored: Questions that one side or both lack a score for.
        decides: True where the verdict rests on it.
        sign: 1.0 where larger scores are better, else -1.0.
    """

    context: str
    measure: str
    base: Level
    version: Level
    gain: Level
    n: int
    clusters: int
    unscored: int
    decides: bool
    sign: float = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a stage of a cell did and how long it took, on which machine.

    Attributes:
        done: Trained tokens, answers or judgements that were computed, not found in the store.
        kind: What its rate depends on, besides the machine: base and format, context or estimator.
    """

    stage: str
    kind: str
    done: int
    seconds: float
    machine: str


@dataclass(frozen=True, slots=True)
class CellResult:
    """One adapter compared with its base.

    Attributes:
        role: "cell", or "agreement".
        axes: Axis -> value, as text.
        outcome: The verdict: promote, hold, reject or inconclusive.
        headline: The verdict in a sentence.
        because: The end of that sentence, why; "" in cells that were computed before it was kept.
        advisory: Why the judge is only advisory; empty where it can be relied on.
        margin: The non-inferiority margin, in score points.
        smallest: Measure -> the smallest true gain that these questions show with 80 % chance.
        pairs: None in what is exported.
        seconds: Of the whole cell when it was computed.
        terse: "version" or "base": whose few words a rule that compares words, and decides, may be unfair to; else "".
    """

    name: str
    role: str
    axes: Mapping[str, str]
    outcome: str
    headline: str
    advisory: tuple[str, ...]
    margin: float
    questions: int
    smallest: Mapping[str, float]
    changes: tuple[Change, ...]
    pairs: CellScores | None
    work: tuple[Work, ...]
    seconds: float
    because: str = ""
    terse: str = ""


@dataclass(frozen=True, slots=True)
class SeedGroup:
    """Cells that differ in their seed alone.

    Attributes:
        outcomes: The verdict of each seed, in the order of ``seeds``.
        changes: Means over the seeds, seed and document being random effects.
    """

    axes: Mapping[str, str]
    seeds: tuple[str, ...]
    outcomes: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class EstimatorComparison:
    """How another estimator scored the same answers: rank correlation over ``n`` answers, and both means."""

    measure: str
    estimators: tuple[str, str]
    n: int
    spearman: float | None
    means: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Study:
    """All that a study's tables, figures and sentences are made of."""

    preset: str
    varied: tuple[str, ...]
    cells: tuple[CellResult, ...]
    groups: tuple[SeedGroup, ...]
    effects: tuple[MainEffect, ...]
    agreement: tuple[EstimatorComparison, ...]


def summarise(
    preset: str, varied: Sequence[str], cells: Sequence[CellResult], factors: Mapping[str, Sequence[str]]
) -> Study:
    """Return what the cells show together; ``factors`` is factor -> levels, empty where no causes are asked for.

    The scores of single questions are used and left out of the result.
    """
    ordinary = [cell for cell in cells if cell.role != AGREEMENT]
    return Study(
        preset=preset,
        varied=tuple(varied),
        cells=tuple(dataclasses.replace(cell, pairs=None) for cell in cells),
        groups=tuple(_groups(ordinary)),
        effects=tuple(_effects(ordinary, factors, varied)),
        agreement=tuple(_agreements(cells)),
    )


def change_of(
    context: str,
    measure: str,
    columns: Sequence[SideScores],
    labels: Sequence[str],
    *,
    decides: bool,
    sign: float = 1.0,
) -> Change:
    """Return the change over one or more seeds; every seed asked the same questions."""
    base, version = _array([seed.base for seed in columns]), _array([seed.version for seed in columns])
    gains = sign * (version - base)
    complete = ~np.isnan(gains)
    if not complete.any():
        nothing = Level(0.0, None, None)
        return Change(context, measure, nothing, nothing, nothing, 0, 0, gains.size, decides, sign)
    mean = crossed_mean(gains, labels)
    return Change(
        context=context,
        measure=measure,
        base=_level(np.where(complete, base, np.nan), labels),
        version=_level(np.where(complete, version, np.nan), labels),
        gain=Level(mean.mean, mean.low, mean.high),
        n=mean.n,
        clusters=mean.clusters,
        unscored=int((~complete).sum()),
        decides=decides,
        sign=sign,
    )


def _level(values: Array, labels: Sequence[str]) -> Level:
    mean = crossed_mean(values, labels)
    return Level(mean.mean, mean.low, mean.high)


def _array(rows: Sequence[Sequence[float | None]]) -> Array:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)


def _groups(cells: Sequence[CellResult]) -> Iterator[SeedGroup]:
    grouped: dict[tuple[tuple[str, str], ...], list[CellResult]] = defaultdict(list)
    for cell in cells:
        grouped[tuple((name, value) for name, value in cell.axes.items() if name != SEED)].append(cell)
    for key, members in grouped.items():
        yield SeedGroup(
            axes=dict(key),
            seeds=tuple(cell.axes[SEED] for cell in members),
            outcomes=tuple(cell.outcome for cell in members),
            changes=members[0].changes if len(members) == 1 else tuple(_over_seeds(members)),
        )


def _over_seeds(members: Sequence[CellResult]) -> Iterator[Change]:
    pairs = [cell.pairs for cell in members]
    if any(scores is None for scores in pairs):
        return
    known = [scores for scores in pairs if scores is not None]
    for change in members[0].changes:
        columns = [scores.scores[change.context][change.measure] for scores in known]
        asked = {len(scores.base) for scores in columns}
        if len(asked) == 1:
            yield change_of(
                change.context, change.measure, columns, known[0].labels, decides=change.decides, sign=change.sign
            )


def _effects(
    cells: Sequence[CellResult], factors: Mapping[str, Sequence[str]], varied: Sequence[str]
) -> Iterator[MainEffect]:
    """Yield the main effects among the cells that differ in the factors and the seed alone, group by group."""
    if not factors:
        return
    outside = [name for name in varied if name not in (*factors, SEED)]
    grouped: dict[tuple[str, ...], list[tuple[CellResult, CellScores]]] = defaultdict(list)
    for cell in cells:
        if cell.pairs is not None:
            grouped[tuple(cell.axes.get(name, "") for name in outside)].append((cell, cell.pairs))
    differ = [len(set(values)) > 1 for values in zip(*grouped, strict=True)]
    asked = {
        group: [(change.measure, change.sign) for change in members[0][0].changes if change.context == DECIDING]
        for group, members in grouped.items()
    }
    together = sum(map(len, asked.values()))
    for group, members in grouped.items():
        among = {name: value for name, value, told in zip(outside, group, differ, strict=True) if told}
        first = members[0][1]
        for measure, sign in asked[group]:
            runs = []
            for cell, pairs in members:
                columns = pairs.scores[DECIDING][measure]
                gains = sign * (_array([columns.version])[0] - _array([columns.base])[0])
                if pairs.questions == first.questions:
                    runs.append(AdapterGains({name: cell.axes[name] for name in (*factors, SEED)}, gains))
            yield from main_effects(runs, factors, first.labels, measure, measures=together, among=among)


def _agreements(cells: Sequence[CellResult]) -> Iterator[EstimatorComparison]:
    """Compare the estimators on the answers that both scored: the same adapter, context and question, both sides."""
    for check in cells:
        if check.role != AGREEMENT or check.pairs is None:
            continue
        twin = next((cell for cell in cells if cell.role != AGREEMENT and _same_answers(cell, check)), None)
        if twin is None or twin.pairs is None:
            continue
        for measure in [change.measure for change in check.changes if change.decides]:
            one, other = _shared(twin.pairs, check.pairs, measure)
            rank = stats.spearmanr(one, other).statistic if len(set(one)) > 1 and len(set(other)) > 1 else None
            means = (float(np.mean(one)), float(np.mean(other))) if one else (0.0, 0.0)
            names = (twin.axes["estimator"], check.axes["estimator"])
            yield EstimatorComparison(measure, names, len(one), None if rank is None else float(rank), means)


def _same_answers(cell: CellResult, check: CellResult) -> bool:
    return all(cell.axes[name] == value for name, value in check.axes.items() if name != "estimator")


def _shared(cell: CellScores, check: CellScores, measure: str) -> tuple[list[float], list[float]]:
    places = {question: index for index, question in enumerate(cell.questions)}
    one: list[float] = []
    other: list[float] = []
    for side in ("base", "version"):
        first = getattr(cell.scores[DECIDING][measure], side)
        second = getattr(check.scores[DECIDING][measure], side)
        for index, question in enumerate(check.questions):
            mine = first[places[question]] if question in places else None
            if mine is not None and second[index] is not None:
                one.append(mine)
                other.append(second[index])
    return one, other
