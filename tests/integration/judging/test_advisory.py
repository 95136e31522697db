"""What makes a judge advisory in a comparison, and what takes that reason away."""

import dataclasses

import pytest

from entrypoints.steps.compare import DECIDING, _advisory
from entrypoints.steps.scoring import Evaluation, Scored
from ragft.judging.calibration import Calibration
from ragft.types import Score

ROWS = [Scored(str(n), f"Question {n}?", "An answer.", ("A reference.",), ()) for n in range(4)]


def calibration(criterion: str, spearman: float, n: int = 50) -> Calibration:
    return Calibration(criterion, n, n, spearman, spearman - 0.1, spearman + 0.1, "people.csv: Ann, Bo")


def sides(*calibrations: Calibration, truths: bool = False) -> dict[str, dict[str, Evaluation]]:
    rows = [dataclasses.replace(row, numbers={"truth_facts": float(n)}) for n, row in enumerate(ROWS)]
    scores = {name: [Score(name, float(n)) for n in range(1, 5)] for name in ("accuracy", "completeness")}
    known = {each.criterion: each for each in calibrations}
    evaluation = Evaluation("", {}, rows if truths else ROWS, scores, calibrations=known)
    return {"base": {DECIDING: evaluation}, "version": {DECIDING: evaluation}}


def test_without_people_or_truth_it_was_not_calibrated() -> None:
    [reason] = _advisory(sides())
    assert reason == "it was not calibrated against people on this data under accuracy and completeness"
    [reason] = _advisory(sides(calibration("accuracy", 0.8)))
    assert reason.endswith("on this data under completeness")


def test_a_calibration_that_passed_leaves_no_reason() -> None:
    assert _advisory(sides(calibration("accuracy", 0.8), calibration("completeness", 0.7))) == ()


@pytest.mark.parametrize("truths", [False, True])
def test_one_that_failed_is_named_whatever_else_is_known(truths: bool) -> None:
    [reason] = _advisory(sides(calibration("accuracy", 0.41), calibration("completeness", 0.9), truths=truths))
    assert reason == (
        "accuracy: its rank correlation with people is 0.41, 95 % interval 0.31 to 0.51, n=50; expected 0.7"
    )


def test_too_few_answers_do_not_pass() -> None:
    [reason] = _advisory(sides(calibration("accuracy", 0.9, n=29), calibration("completeness", 0.9)))
    assert reason.endswith("n=29; expected 0.7 and 30 answers")
