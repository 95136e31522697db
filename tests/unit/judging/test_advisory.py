"""What makes a judge advisory in a comparison, and what takes that reason away."""

import pytest

from ragft.judging.advisory import JudgedSide, why_advisory
from ragft.judging.calibration import Calibration

JUDGED = ("accuracy", "completeness")


def calibration(criterion: str, spearman: float, n: int = 50) -> Calibration:
    return Calibration(criterion, n, n, spearman, spearman - 0.1, spearman + 0.1, "people.csv: Ann, Bo")


def sides(*calibrations: Calibration, truths: bool = False, n: int = 40) -> list[JudgedSide]:
    """Return two sides; where there are truths, the first ``n`` rows have one, and the judge knows it."""
    scores = {name: [1 + i / 10 for i in range(40)] for name in ("accuracy", "completeness")}
    known = {"truth_facts": [i / 40 if i < n else None for i in range(40)]} if truths else {}
    return [JudgedSide({}, calibrations, scores, known, [f"Question {i}?" for i in range(40)])] * 2


def test_canaries_that_fooled_it_come_first_and_are_named_once() -> None:
    fooled, other = sides(calibration("accuracy", 0.85))
    fooled = JudgedSide(
        {"accuracy": ["accuracy: the canary won"]}, fooled.people, fooled.scores, fooled.truths, fooled.groups
    )
    first, second = why_advisory([fooled, fooled], JUDGED)
    assert first == "accuracy: the canary won"
    assert second.endswith("on this data under completeness")
    assert why_advisory([other, fooled], JUDGED) == (first, second)


def test_without_people_or_truth_it_was_not_calibrated() -> None:
    [reason] = why_advisory(sides(), JUDGED)
    assert reason == "it was not calibrated against people on this data under accuracy and completeness"
    [reason] = why_advisory(sides(calibration("accuracy", 0.85)), JUDGED)
    assert reason.endswith("on this data under completeness")


def test_a_calibration_that_passed_leaves_no_reason() -> None:
    assert why_advisory(sides(calibration("accuracy", 0.85), calibration("completeness", 0.8)), JUDGED) == ()


def test_a_truth_for_enough_rows_leaves_no_reason() -> None:
    assert why_advisory(sides(truths=True), JUDGED) == ()


def test_a_handful_of_truths_is_none() -> None:
    """Three rows on both sides once stood for a calibration."""
    reasons = why_advisory(sides(truths=True, n=3), JUDGED)
    assert [reason.partition(":")[0] for reason in reasons] == ["accuracy", "completeness"]
    assert all("the programmatic truth" in reason and reason.endswith("and 30 answers") for reason in reasons)


@pytest.mark.parametrize("truths", [False, True])
def test_one_that_failed_is_named_whatever_else_is_known(truths: bool) -> None:
    [reason] = why_advisory(
        sides(calibration("accuracy", 0.41), calibration("completeness", 0.9), truths=truths), JUDGED
    )
    assert reason == (
        "accuracy: its rank correlation with people is 0.41, 95 % interval 0.31 to 0.51, n=50; "
        "expected an interval from 0.7 up"
    )


def test_too_few_answers_do_not_pass() -> None:
    [reason] = why_advisory(sides(calibration("accuracy", 0.9, n=29), calibration("completeness", 0.9)), JUDGED)
    assert reason.endswith("n=29; expected an interval from 0.7 up, and 30 answers")


def test_what_decides_nothing_leaves_no_reason() -> None:
    """A third criterion without a calibration once held back what two calibrated ones had shown."""
    known = calibration("accuracy", 0.85), calibration("completeness", 0.2)
    (side, _) = sides(*known)
    fooled = JudgedSide({"completeness": ["completeness: the canary won"]}, known, side.scores, {}, side.groups)
    assert why_advisory([fooled, fooled], ["accuracy"]) == ()
