"""Two sides of one model, dealt so that nothing is there to be found, and what the whole rule makes of them."""

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verdict.compare import Side, compare
from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, GuardRates, pair_guard
from ragft.analysis.verdict.multiplicity import Claims, claim
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.scale import Measured
from ragft.analysis.verdict.slices import masks_of, slices_of
from ragft.types import DECIDING, Question
from registry import reasons
from registry.gate import Outcome, Policy, judge

GUARDS = {FALSE_ANSWERS: "false_answer", FALSE_REFUSALS: "false_refusal"}
Both = tuple[float | None, float | None]
Numbers = Mapping[str, Mapping[str, float | None]]


class Dealt(Protocol):
    """How a question's numbers are dealt to two sides."""

    def __call__(self, rng: np.random.Generator | None) -> dict[str, Both]:
        """Return measure -> what each side gets; as it came without random numbers."""


@dataclasses.dataclass(frozen=True)
class Answers:
    """Two answers to one question, or two in each context: measure -> both numbers."""

    numbers: Mapping[str, Both]

    def __call__(self, rng: np.random.Generator | None) -> dict[str, Both]:
        """Return them, or swap all of them."""
        if rng is None or rng.random() < 0.5:
            return dict(self.numbers)
        return {name: (both[1], both[0]) for name, both in self.numbers.items()}


@dataclasses.dataclass(frozen=True)
class Judgements:
    """One answer that was judged often: criterion -> judgements; and what else is known of it."""

    judged: Mapping[str, Sequence[float]]
    known: Mapping[str, float | None]

    def __call__(self, rng: np.random.Generator | None) -> dict[str, Both]:
        """Return the mean of the first half and of the second, or of halves that are drawn."""
        found: dict[str, Both] = {name: (value, value) for name, value in self.known.items()}
        for name, values in self.judged.items():
            order = list(values) if rng is None else [float(value) for value in rng.permutation(np.array(values))]
            half = len(order) // 2
            found[name] = (statistics.fmean(order[:half]), statistics.fmean(order[half:])) if half else (None, None)
        return found


@dataclasses.dataclass(frozen=True)
class Study:
    """Questions, how each one's numbers are dealt, and what decides."""

    questions: Sequence[Question]
    dealt: Mapping[str, Dealt]
    measures: Sequence[Measured]

    def sides(self, rng: np.random.Generator | None) -> list[Numbers]:
        """Return each side's numbers: measure -> question id -> number, for the questions that it counts."""
        found = {question.id: self.dealt[question.id](rng) for question in self.questions}
        names = [*(measure.name for measure in self.measures), *GUARDS.values()]
        return [
            {name: {each: both[name][place] for each, both in found.items() if name in both} for name in names}
            for place in (0, 1)
        ]

    @property
    def design(self) -> Design:
        """What decides."""
        return Design(tuple(measure.name for measure in self.measures))

    def compared(self) -> Comparison:
        """Return the comparison of the two sides as they came."""
        sides, labels = self.sides(None), cluster(self.questions).labels
        base, version = (
            Side(name, dict.fromkeys(CONDITIONS, "the same"), {DECIDING: {m.name: side[m.name] for m in self.measures}})
            for name, side in zip(("base", "base again"), sides, strict=True)
        )
        return compare(
            base,
            version,
            self.questions,
            self.measures,
            slices=slices_of(self.questions),
            design=self.design,
            guards=self._guards(sides, labels),
        )

    def decided(self, first: Comparison, rng: np.random.Generator | None, resamples: int) -> tuple[Claims, Outcome]:
        """Return what is shown of two sides dealt anew, and what the gate makes of it.

        As a comparison decides, without what it computes beside that (power, what would change it); ``first`` is one
        with the same measures and guards.
        """
        sides, labels = self.sides(rng), cluster(self.questions).labels
        guards = {each.name: pair_guard(each) for each in self._guards(sides, labels)}
        rejecting, resampling = len(self.measures) + len(guards), Resampling(resamples)
        results = self._results(sides, labels, first, rejecting, resampling)
        whole = [each for each in results if not each.slice]
        margins = {each.criterion: each.margin for each in whole} | {each.name: each.margin for each in first.guards}
        levels = Levels(self.design.alpha, rejecting=rejecting)
        guarded = {name: pairs.bounds(levels, resampling) for name, pairs in guards.items()}
        claims = claim({each.criterion: each.bounds for each in whole}, margins, guarded)
        comparison, policy = dataclasses.replace(first, results=results, claims=claims), Policy()
        if reasons.doubts(comparison, policy.most_missing, policy.missing_alpha):
            return claims, "inconclusive"
        return claims, judge(comparison, claims, policy)

    def redrawn(self, rng: np.random.Generator) -> "Study":
        """Return as many documents, drawn with replacement; one that is drawn twice counts as two."""
        labels = cluster(self.questions).labels
        members: dict[str, list[Question]] = defaultdict(list)
        for question in self.questions:
            members[labels[question.id]].append(question)
        names = sorted(members)
        drawn: list[Question] = []
        dealt: dict[str, Dealt] = {}
        for copy, index in enumerate(rng.integers(len(names), size=len(names))):
            for question in members[names[index]]:
                again = dataclasses.replace(question, id=f"{question.id} {copy}", documents=(f"{names[index]} {copy}",))
                drawn.append(again)
                dealt[again.id] = self.dealt[question.id]
        return Study(drawn, dealt, self.measures)

    def _guards(self, sides: Sequence[Numbers], labels: Mapping[str, str]) -> list[GuardRates]:
        return [GuardRates(name, sides[0][rate], sides[1][rate], labels) for name, rate in GUARDS.items()]

    def _results(
        self, sides: Sequence[Numbers], labels: Mapping[str, str], first: Comparison, rejecting: int, by: Resampling
    ) -> tuple[Result, ...]:
        """Return the bounds of each measure, over all questions and in each slice."""
        ids = tuple(sorted(labels))
        masks = {"": [True] * len(ids)} | masks_of(slices_of(self.questions), ids)
        family, effects = len(self.measures), {each.criterion: each.effect for each in first.primaries}
        found = []
        for name, mask in masks.items():  # a slice's measures together, since they share its resamples
            vetoes = (len(masks) - 1) * family if name else 0
            levels = Levels(self.design.alpha, family, vetoes, 1 if name else rejecting)
            for each in self.measures:
                one, other = (np.array([side[each.name][asked] for asked in ids], dtype=np.float64) for side in sides)
                pairs = Pairs(ids, one, other, tuple(labels[asked] for asked in ids), each).only(mask)
                margin, bounds = self.design.margin_share * each.range, pairs.bounds(levels, by)
                missing, effect = pairs.missing(), effects[each.name]
                found.append(Result(each.name, DECIDING, name, True, each.direction, margin, missing, effect, bounds))
        return tuple(found)
