"""A change that people correct: their few labels and the scores of everything in one interval.

`ragft.analysis.statistics.corrected` says how. What is estimated is what people would say of the version's answers less
what they would say of the base's, so the interval holds whatever the bias of the scores is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.corrected import CorrectedSums, corrected_sums
from ragft.analysis.verdict.effect import Bounds, Levels, Resampling, bounds, gains_of
from ragft.analysis.verdict.paired_scores import Pairs

# From so many pairs in so many documents on, the corrected bounds decide, and the judge is not merely advisory.
LEAST_PAIRS, LEAST_DOCUMENTS = 30, 10
# The primary that no judge scores under its own name: a rule tells it, or where there is none the judge's accuracy.
BY_OUTCOME = "right"


@dataclass(frozen=True, slots=True)
class People:
    """What people said of both answers to some questions, under one criterion and on its scale.

    Attributes:
        base: Question id -> their number for the base's answer.
        version: The same for the version's, of the same questions.
        same: Questions to which both sides gave the same answer, so that nobody had to be asked.
        probability: Question id -> probability with which it was asked; empty for a uniform sample.
    """

    base: Mapping[str, float]
    version: Mapping[str, float]
    same: Collection[str] = ()
    probability: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A change with its 1 - 2 alpha interval, in score points; above 0 the version is better."""

    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Corrected:
    """The change under one primary by the judge, by people, and by both; of ``right`` the outcome is.

    Attributes:
        pairs: Questions of which people scored both answers.
        documents: In how many documents (connected components of them).
        asking: Questions to which the answers differ; of the others it is known that neither is better.
        drawn: How the questions were chosen that people were asked about, in words.
        judge: By the judge alone, of all questions; None where it scored none on both sides.
        people: By people alone.
        both: By both together.
        weight: How far the judge is listened to: 0 not at all, 1 point for point.
        bounds: Of both together, for each claim.
    """

    criterion: str
    pairs: int
    documents: int
    asking: int
    drawn: str
    judge: Estimate | None
    people: Estimate
    both: Estimate
    weight: float
    bounds: Bounds

    @property
    def decides(self) -> bool:
        """Whether the labels are enough for these bounds to decide instead of the judge's own."""
        return self.pairs >= LEAST_PAIRS and self.documents >= LEAST_DOCUMENTS

    @property
    def scorer(self) -> str:
        """What scored every answer, in words."""
        return "the outcome" if self.criterion == BY_OUTCOME else "the judge"

    @property
    def rows(self) -> tuple[tuple[str, Estimate], ...]:
        """What is shown: who says so, and what."""
        alone = ((f"{self.scorer} alone", self.judge),) if self.judge else ()
        return (*alone, ("people alone", self.people), ("both together", self.both))

    @property
    def basis(self) -> str:
        """What people's part of it rests on, and whether that is enough, in words."""
        said = (
            f"people scored both answers to {self.pairs:,} of the {self.asking:,} questions whose answers differ, in "
            f"{self.documents:,} groups, {self.drawn}"
        )
        if self.decides:
            return f"{said}; both together decide, with weight {self.weight:.2f} for {self.scorer}"
        return f"{said}; from {LEAST_PAIRS} in {LEAST_DOCUMENTS} groups on, both together would decide"


def in_words(found: Corrected) -> str:
    """Return what the judge, people and both say, in a sentence without its criterion."""
    rows = (f"{who} {each.change:+.2f} ({each.low:+.2f} to {each.high:+.2f})" for who, each in found.rows)
    return f"{', '.join(rows)}; {found.basis}"


def correct(
    pairs: Pairs, people: People, judge: Estimate | None, levels: Levels, resampling: Resampling
) -> Corrected | None:
    """Return the corrected change of one criterion; None where people scored no pair of these questions.

    ``judge`` is what the judge alone says.
    """
    asked = np.array([name in people.base and name in people.version for name in pairs.ids], dtype=np.bool_)
    same = np.array([float(name in people.same) for name in pairs.ids])
    asked &= same == 0
    if not asked.any():
        return None
    one, other = (
        np.array([side[name] if own else np.nan for name, own in zip(pairs.ids, asked, strict=True)])
        for side in (people.base, people.version)
    )
    gains = gains_of(one, other, pairs.sign)
    probability = np.array([people.probability.get(name, 1.0) for name in pairs.ids])
    cluster = np.unique(np.asarray(pairs.labels), return_inverse=True)[1]

    def sums(scores: Array) -> CorrectedSums:
        return corrected_sums(scores[None], gains[None], probability[None], cluster, same=same[None])

    together = sums(pairs.gains())
    alone = _bounds(nobody := sums(np.zeros(len(pairs.ids))), levels, resampling, pairs.scale.range)
    decided = _bounds(together, levels, resampling, pairs.scale.range)
    return Corrected(
        criterion=pairs.scale.name,
        pairs=int(asked.sum()),
        documents=len(np.unique(cluster[asked])),
        asking=int((same == 0).sum()),
        drawn=_drawn(people, [name for name, own in zip(pairs.ids, asked, strict=True) if own]),
        judge=judge,
        people=Estimate(_mean(nobody), alone.low, alone.high),
        both=Estimate(_mean(together), decided.low, decided.high),
        weight=float(together.weight[0]),
        bounds=decided,
    )


def _drawn(people: People, asked: Sequence[str]) -> str:
    if not people.probability:
        return "a uniform sample, as uniform_labels says"
    if len({people.probability[name] for name in asked}) == 1:
        return "a uniform sample"
    return "drawn with probabilities that differ"


def _mean(found: CorrectedSums) -> float:
    return float(found.share[0] * found.sums.mean[0])


def _bounds(found: CorrectedSums, levels: Levels, resampling: Resampling, extreme: float) -> Bounds:
    """Return the deciding bounds of the mean over all questions."""
    own = bounds(found.sums, resampling.of(found.sums), extreme, levels, told=found.told)
    share = float(found.share[0])
    return Bounds(
        share * own.low,
        share * own.high,
        tuple(share * low for low in own.claim_lows),
        None if own.veto_high is None else share * own.veto_high,
        tuple(share * high for high in own.claim_highs),
    )
