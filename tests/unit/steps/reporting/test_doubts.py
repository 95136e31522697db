"""When a verdict rests on a judge, though no criterion of its own is a primary."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from entrypoints.steps.reporting.verdicts import Doubts, doubts
from entrypoints.steps.shared.compared import Task
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.outcomes import with_outcomes
from ragft.analysis.verdict.design import Design
from ragft.judging.calibration import Calibration
from ragft.judging.canaries import CanaryResult
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import load_criteria
from ragft.types import DECIDING, WITHHELD, Score

CRITERIA = load_criteria("accuracy,completeness")
NOT_CALIBRATED = "it was not calibrated against people on this data under accuracy"


def row(name: str, right: bool | None, guard: Any = "") -> Scored:  # noqa: ANN401
    facts = {"answerable": True, "answer_tokens": 1}
    return Scored(name, "Who?", "Ann", ("Ann",), (), (name,), facts=facts, right=right, guard=guard)


def found(*, primary: str, withheld_score: float = 5.0, rule: bool | None = None, **given: Any) -> Doubts:  # noqa: ANN401
    """Return the doubts about two sides with one question; a judge liked each answer that the rule does not tell."""
    of_question = with_outcomes([row("q", rule)], CRITERIA[0], {"q": 5.0})
    without = with_outcomes([row("q", None, "false_answer")], CRITERIA[0], {"q": withheld_score})
    scores = {"accuracy": [Score("accuracy", 5.0)], "completeness": [Score("completeness", 5.0)]}
    side: dict[str, Evaluation] = {
        DECIDING: Evaluation("run", {}, of_question, scores, context=DECIDING, **given),
        WITHHELD: Evaluation("run", {}, without, context=WITHHELD),
    }
    task = SimpleNamespace(
        criteria=CRITERIA, design=Design(primary=(primary,)), params=CompareParams(primary=primary, judge="base")
    )
    sides = {"models:/a/1": side, "models:/a/2": side}
    return doubts(cast("Task", task), sides, {uri: each[DECIDING] for uri, each in sides.items()})


def test_a_judge_that_says_which_answers_are_right_is_advisory_until_people_calibrated_it() -> None:
    """It decided as if it were a rule, however badly it judged."""
    told = found(primary="right")
    assert (told.advisory, told.outcomes_judged) == ((NOT_CALIBRATED,), ("right", "false_answers"))
    known = {"accuracy": Calibration("accuracy", 50, 50, 0.9, 0.85, 0.95, "people.csv: Ann")}
    assert found(primary="right", calibrations=known).advisory == ()


def test_a_judge_that_excuses_invented_answers_is_advisory() -> None:
    assert found(primary="answer_f1").advisory == (NOT_CALIBRATED,)
    assert found(primary="right", rule=True).outcomes_judged == ("false_answers",)
    assert found(primary="right", withheld_score=1.0).outcomes_judged == ("right",)


@pytest.mark.parametrize("primary", ["answer_f1", "right"])
def test_one_that_excuses_nothing_and_decides_nothing_is_not(primary: str) -> None:
    told = found(primary=primary, withheld_score=1.0, rule=True)
    assert (told.advisory, told.outcomes_judged) == ((), ())


def test_what_fooled_it_under_accuracy_makes_the_comparison_unbelievable() -> None:
    problem = "it likes the answer of another question as much"
    canaries = {name: CanaryResult(name, {}, None, None, 0.5, (problem,)) for name in ("accuracy", "completeness")}
    told = found(primary="right", canaries=canaries)
    assert told.health.fooled == (f"accuracy: {problem}",)
    assert told.advisory[0] == f"accuracy: {problem}"
