"""Which measures of a cell a study keeps."""

from entrypoints.steps.matrix.runner import _columns
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from ragft.types import DECIDING, WITHHELD, Score


def evaluation(context: str = DECIDING, *, judged: bool = False) -> Evaluation:
    rows = [
        Scored("a", "Where?", "in France", ("France",), (), numbers={"right": 1.0, "false_answer": 0.0}),
        Scored("b", "When?", "1890", ("1889",), (), numbers={"right": None, "false_answer": 1.0}),
    ]
    scores = {"accuracy": [Score("accuracy", 5.0), Score("accuracy", 1.0)]} if judged else {}
    return Evaluation("run", {}, rows, scores, context=context)


def test_without_a_judge_what_decides_is_kept() -> None:
    found = _columns(evaluation(), ["b", "a", "c"], ["right", "exact_match"])
    assert found == {"right": (None, 1.0, None), "exact_match": (0.0, 0.0, None)}


def test_with_a_judge_the_criteria_are_kept_and_of_withheld_the_harm() -> None:
    assert _columns(evaluation(judged=True), ["a", "b"], ["accuracy"]) == {"accuracy": (5.0, 1.0)}
    assert _columns(evaluation(WITHHELD), ["a", "b"], ["right"]) == {"false_answer": (0.0, 1.0)}
