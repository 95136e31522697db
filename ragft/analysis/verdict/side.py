"""The two sides of a comparison, and whether they can be paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from ragft.analysis.statistics.clusters import Array, Clusters
from ragft.analysis.verdict.effect import TIE
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.scale import Measured
from ragft.errors import DataError


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: What people call it ("base", "models:/qasper/3").
        conditions: What must be equal on both sides, by name -> its identity; at least those in `conditions.py`.
        scores: Context -> measure -> question id -> score, None where it is unscored. In the deciding context every
            question has an entry; in others those may lack one on both sides that could not be asked there.
        lengths: Context -> question id -> length of the answer in tokens; only for the attribution.
        refusals: Context -> question id -> 1.0 where the answer gives none, else 0.0; only for the attribution.
    """

    name: str
    conditions: Mapping[str, str]
    scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    lengths: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    refusals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def pair_sides(
    base: Side,
    version: Side,
    questions: Sequence[str],
    clusters: Clusters,
    criteria: Sequence[Measured],
    deciding: str,
) -> dict[tuple[str, str], Pairs]:
    """Return (context, criterion) -> scores of both sides, in the order of ``questions``, which are ids.

    A question without a row on both sides was not asked in that context, unless it is the ``deciding`` one.

    Raises:
        DataError: If a question has no row on one side, or a score outside its criterion's range.
    """
    problems: list[str] = []
    pairs = {}
    for context in sorted(base.scores.keys() & version.scores.keys()):
        for criterion in criteria:
            columns = [side.scores[context].get(criterion.name) for side in (base, version)]
            if columns[0] is None or columns[1] is None:
                continue
            asked = tuple(name for name in questions if context == deciding or name in columns[0] or name in columns[1])
            if not asked:
                continue
            one, other = (_column(side, context, criterion, asked, problems) for side in (base, version))
            labels = tuple(clusters.labels[name] for name in asked)
            pairs[context, criterion.name] = Pairs(asked, one, other, labels, criterion)
    if problems:
        raise DataError("scores cannot be compared: evaluate again, so that every question has its row", problems)
    return pairs


def _column(side: Side, context: str, criterion: Measured, asked: Sequence[str], problems: list[str]) -> Array:
    scores = side.scores[context][criterion.name]
    least, most = sorted((criterion.worst, criterion.best))
    column = np.full(len(asked), np.nan)
    for index, name in enumerate(asked):
        where = f"{side.name}, context {context}, {criterion.name}, question {name}"
        if name not in scores:
            problems.append(f"{where}: there is no row")
            continue
        score = scores[name]
        if score is None:
            continue
        if not isfinite(score) or not least - TIE <= score <= most + TIE:
            problems.append(f"{where}: the score {score} is not in {least:g} to {most:g}")
        column[index] = score
    return column
