"""What is kept of a judge beside people, and when it is good enough."""

import random

import pytest
import scipy.stats

from ragft.judging.calibration import TRUTH, Calibration, calibrate, reasons_against

RNG = random.Random(3)
PEOPLE: list[float | None] = [float(RNG.randint(1, 5)) for _ in range(60)]
CLOSE: list[float | None] = [value + RNG.uniform(-1, 1) if value else None for value in PEOPLE]


def test_the_correlation_is_scipys_and_lies_in_its_interval() -> None:
    found = calibrate("accuracy", CLOSE, PEOPLE, list(range(60)), "two people")
    assert found.spearman == pytest.approx(float(scipy.stats.spearmanr(CLOSE, PEOPLE).statistic))
    assert found.low is not None and found.high is not None and found.spearman is not None
    assert 0.7 < found.low < found.spearman < found.high < 1
    assert (found.n, found.n_groups, found.passed) == (60, 60, True)
    assert found.sentence.startswith(
        f"accuracy: its rank correlation with people is {found.spearman:.2f}, 95 % interval"
    )


@pytest.mark.slow
def test_the_interval_covers_about_as_often_as_it_says() -> None:
    """Normal pairs with a rank correlation of .8: few of 60 intervals miss it."""
    rng = random.Random(0)
    missed = 0
    truth = 6 / 3.141592653589793 * 0.41180558  # arcsin(r / 2) for r = .8: Spearman's rho of a normal pair
    for _ in range(60):
        x = [rng.gauss(0, 1) for _ in range(80)]
        y = [0.8 * value + 0.6 * rng.gauss(0, 1) for value in x]
        found = calibrate("accuracy", x, y, list(range(80)), "")
        missed += not (found.low or 0) <= truth <= (found.high or 0)
    assert missed <= 9


def test_rows_of_one_group_are_drawn_together() -> None:
    alone = calibrate("accuracy", CLOSE * 4, PEOPLE * 4, list(range(240)), "")
    together = calibrate("accuracy", CLOSE * 4, PEOPLE * 4, list(range(60)) * 4, "")
    assert alone.spearman == together.spearman
    assert together.low is not None and alone.low is not None and together.low < alone.low
    assert (together.n, together.n_groups) == (240, 60)


def test_what_is_too_weak_or_too_little_does_not_pass() -> None:
    few = calibrate("accuracy", CLOSE[:20], PEOPLE[:20], list(range(20)), "")
    assert few.spearman is not None and few.spearman > 0.7 and not few.passed
    assert few.sentence.endswith("; expected an interval from 0.7 up, and 30 answers")
    weak = calibrate("accuracy", CLOSE[::-1], PEOPLE, list(range(60)), "")
    assert not weak.passed and weak.sentence.endswith("; expected an interval from 0.7 up")
    constant = calibrate("accuracy", [3.0] * 60, PEOPLE, list(range(60)), "")
    assert (constant.spearman, constant.passed) == (None, False)
    assert "cannot be computed (60 answers)" in constant.sentence


def test_the_lower_end_of_the_interval_decides() -> None:
    """A point at .78 from forty answers may as well be .6."""
    noise = random.Random(1)
    rough: list[float | None] = [value + noise.uniform(-1.9, 1.9) if value else None for value in PEOPLE]
    few = calibrate("accuracy", rough[:40], PEOPLE[:40], list(range(40)), "")
    assert few.spearman is not None and few.low is not None and few.low < 0.7 < few.spearman
    assert not few.passed and few.sentence.endswith("n=40; expected an interval from 0.7 up")
    many = calibrate("accuracy", rough * 4, PEOPLE * 4, list(range(240)), "")
    assert many.passed
    alone = calibrate("accuracy", CLOSE, PEOPLE, ["one document"] * 60, "")
    assert alone.low is None and not alone.passed and "no interval" in alone.sentence


def test_a_truth_stands_for_people_only_where_they_were_not_asked() -> None:
    good = calibrate("accuracy", CLOSE, PEOPLE, list(range(60)), "")
    bad = calibrate("accuracy", CLOSE[::-1], PEOPLE, list(range(60)), "")
    by_truth = calibrate("accuracy", CLOSE, PEOPLE, list(range(60)), "truth_facts", TRUTH)
    little = calibrate("accuracy", CLOSE[:3], PEOPLE[:3], list(range(3)), "truth_facts", TRUTH)
    assert reasons_against(["accuracy"], [good], []) == reasons_against(["accuracy"], [], [by_truth]) == ()
    assert reasons_against(["accuracy"], [good], [little]) == ()
    assert reasons_against(["accuracy"], [bad], [by_truth]) == (bad.sentence,)
    [reason] = reasons_against(["accuracy"], [], [little])
    assert reason.startswith("accuracy: its rank correlation with the programmatic truth is") and "n=3" in reason
    assert reason.endswith("and 30 answers")
    [reason] = reasons_against(["accuracy", "style"], [], [by_truth])
    assert reason == "it was not calibrated against people on this data under style"


def test_a_calibration_that_was_kept_before_truth_had_a_place_is_one_of_people() -> None:
    record = calibrate("accuracy", CLOSE, PEOPLE, list(range(60)), "Ann").as_record()
    del record["beside"]
    assert Calibration.of_record(record).beside == "people"


def test_unscored_rows_are_left_out_and_a_record_comes_back() -> None:
    found = calibrate("accuracy", [None, *CLOSE], [3.0, *PEOPLE], list(range(61)), "Ann")
    assert found.n == 60
    assert Calibration.of_record(found.as_record()) == found
