"""What narrows an interval is computed as a comparison computes it, and what is known to narrow it does."""

from typing import Any

import numpy as np
import pytest

from benchmarks import variance
from benchmarks.variance import Measured, Way
from benchmarks.variance_scores import FORMS, MORE, ORDERS
from ragft.analysis.verdict.compare import Side, compare
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.prompts.criterion import load_criterion
from ragft.types import Question

QUESTIONS = 300


def stored(questions: int = QUESTIONS) -> dict[str, Any]:
    """Scores of a judge whose noise is as large as the answers' own differences, and anew in each way of scoring.

    Half of the base's answers are bad, and so are those of the version that are drawn anew: half of them.
    """
    rng = np.random.default_rng(0)
    base = rng.random(questions) < 0.5
    version = np.where(rng.random(questions) < 0.5, base, rng.random(questions) < 0.5)
    right = np.array([base, version], dtype=np.float64)
    found: dict[str, Any] = {
        "questions": {"groups": [place // 2 for place in range(questions)], "forms": ["one", "two"] * (questions // 2)},
        "more questions": {"groups": list(range(questions))},
        "answers": {"right": right.tolist(), "seconds": 80.0},
        f"answers, {MORE}": {"right": [base.tolist()], "seconds": 40.0},
        MORE: {"scores": [(3 + rng.normal(0, 0.7, questions)).tolist()], "seconds": 10.0},
    }
    for name in ("one pass", *FORMS, "reasoned", "sampled", *ORDERS):
        scores = np.clip(2.5 + right + rng.normal(0, 0.7, right.shape), 1, 5)
        found[name] = {"scores": scores.tolist(), "seconds": 20.0}
    found |= {f"answers, {name}": {"right": right.tolist(), "seconds": 80.0} for name in ORDERS}
    return found


@pytest.fixture(scope="module")
def ways() -> list[Way]:
    return variance.rows(Measured(stored()))


def test_the_first_row_is_what_a_comparison_says(ways: list[Way]) -> None:
    scores = stored()["one pass"]["scores"]
    questions = [Question(f"{place:03}", "?", ("!",), documents=(f"{place // 2:03}",)) for place in range(QUESTIONS)]
    values = [{q.id: s for q, s in zip(questions, side, strict=True)} for side in scores]
    sides = [
        Side(str(place), dict.fromkeys(CONDITIONS, ""), {"retrieved": dict.fromkeys(Design().primary, side)})
        for place, side in enumerate(values)
    ]
    criteria = [load_criterion(name) for name in Design().primary]
    comparison = compare(sides[0], sides[1], questions, criteria)
    effect, power = comparison.primaries[0].effect, comparison.power["accuracy"]

    assert effect is not None
    assert ways[0].change == pytest.approx(effect.gain)
    assert ways[0].half == pytest.approx((effect.high - effect.low) / 2)
    assert ways[0].relative == ways[0].cost == 1
    assert ways[0].smallest == pytest.approx(power.smallest_difference)
    assert f"80 % is {power.smallest_difference:.2f}" in variance.sentence(Measured(stored()))


def test_averages_of_a_noisy_judge_and_more_questions_narrow_the_interval(ways: list[Way]) -> None:
    _, forms, *_, twice, four = ways
    # The changes vary by .375, the judge adds .98, of which a third is left.
    assert forms.relative == pytest.approx(np.sqrt((0.375 + 0.98 / 3) / (0.375 + 0.98)), abs=0.06)
    assert forms.cost == pytest.approx((80 + 3 * 20) / 100)
    assert twice.relative == pytest.approx(np.sqrt(1 / 2), abs=0.04)
    assert four.relative == pytest.approx(1 / 2, abs=0.04)
    assert (twice.questions, four.questions) == (2 * QUESTIONS, 4 * QUESTIONS)


def test_a_unit_twice_as_large_changes_nothing() -> None:
    scores = stored()
    scores["reasoned"]["scores"] = (1 + 2 * np.array(scores["one pass"]["scores"])).tolist()
    row = variance.averaged(Measured(scores), "", ["reasoned"], 1)
    assert row.relative == pytest.approx(1, abs=0.01)


def test_what_forms_differ_by_is_taken_out_and_the_mean_stays() -> None:
    measured = Measured(stored())
    gains = np.tile([1.0, -0.5], QUESTIONS // 2)
    within = variance.within_forms(measured, gains)
    assert within == pytest.approx(np.full(QUESTIONS, 0.25))
    assert variance.best_shares(measured, np.concatenate([np.tile([2.0, 0.0, -2.0, 0.0], QUESTIONS // 4)])) == (
        pytest.approx(np.sqrt(0.5))
    )


def test_a_known_mean_of_the_base_helps_only_as_far_as_it_is_known() -> None:
    rng, scores = np.random.default_rng(1), stored()
    one = np.array(scores["one pass"]["scores"])
    one[1] = 3 + rng.normal(0, 0.1, QUESTIONS)  # the change is the base's score, turned round
    scores["one pass"]["scores"] = one.tolist()
    measured = Measured(scores)
    row = variance.with_covariate(measured, "", one[1] - one[0], 1)
    # As many questions more halve the variance of the base's mean.
    assert row.relative == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert row.change == pytest.approx(np.mean(one[1] - one[0]), abs=0.15)
