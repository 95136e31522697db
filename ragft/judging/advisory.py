"""When a judge is only advisory: canaries fooled it, or too little is known of its worth on the data."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ragft.judging.calibration import TRUTH, Calibration, calibrate, reasons_against
from ragft.pocket.truth import TRUTH_OF


@dataclass(frozen=True, slots=True)
class JudgedSide:
    """What the evaluation of one side tells of its judge.

    Attributes:
        fooled: Criterion -> how canaries fooled it, a sentence each.
        people: How it did beside people on this data, where that was measured.
        scores: Criterion -> one score a row, None where unscored.
        truths: Measure of the programmatic truth -> one value a row, None where a row has none.
        groups: What each row belongs to.
    """

    fooled: Mapping[str, Sequence[str]]
    people: Sequence[Calibration]
    scores: Mapping[str, Sequence[float | None]]
    truths: Mapping[str, Sequence[float | None]]
    groups: Sequence[Hashable]


def why_advisory(sides: Sequence[JudgedSide], deciding: Sequence[str]) -> tuple[str, ...]:
    """Return why the judge of all sides is only advisory, a sentence each; empty where its scores can decide.

    ``deciding`` names the criteria whose scores decide: what the judge is worth under others is not asked.
    """
    fooled = [problem for side in sides for name in deciding for problem in side.fooled.get(name, ())]
    people = [calibration for side in sides for calibration in side.people if calibration.criterion in deciding]
    truth = [found for name in deciding if (found := _beside_truth(name, sides)) is not None]
    return tuple(dict.fromkeys([*fooled, *reasons_against(deciding, people, truth)]))


def _beside_truth(criterion: str, sides: Sequence[JudgedSide]) -> Calibration | None:
    """Return how the judge did beside the programmatic truth under a criterion; None where there is no such truth."""
    measure = TRUTH_OF.get(criterion, "")
    rows = [
        (score, truth, group)
        for side in sides
        if measure in side.truths
        for score, truth, group in zip(side.scores[criterion], side.truths[measure], side.groups, strict=True)
        if truth is not None
    ]
    if not rows:
        return None
    scores, truths, groups = zip(*rows, strict=True)
    return calibrate(criterion, scores, truths, groups, measure, TRUTH)
