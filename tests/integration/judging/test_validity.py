"""What `evaluate` prints beside a judged mean: whether the judge can be trusted with it."""

from pathlib import Path
from typing import cast

from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.scoring import show
from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.canaries import CanaryResult
from ragft.store.connection import Store

METRICS = {
    f"{name}/{key}": value
    for name in ("geval_accuracy", "geval_style", "answer_f1")
    for key, value in (("mean", 4.0), ("n_scored", 10.0), ("n_unscored", 0.0))
}


def lines(tmp_path: Path, canaries: CanaryResult) -> list[str]:
    told: list[str] = []
    advisory = tuple(f"accuracy: {problem}" for problem in canaries.problems)
    evaluation = Evaluation("", METRICS, advisory=advisory, canaries={"accuracy": canaries}, name="x")
    show([evaluation], "title", Workspace(home=tmp_path, store=cast("Store", None), say=told.append))
    return told


def test_validity_and_auc_stand_beside_each_mean_that_canaries_can_check(tmp_path: Path) -> None:
    told = lines(tmp_path, CanaryResult("accuracy", {}, 0.1, 0.9, 0.987, ()))
    [accuracy] = [line for line in told if "geval_accuracy" in line]
    assert accuracy.endswith("n=10   judge valid, AUC 0.99")
    assert not any("judge" in line for line in told if "geval_accuracy" not in line)


def test_a_fooled_judge_is_said_with_what_fooled_it(tmp_path: Path) -> None:
    problem = "the judge is fooled by the family opener: mean 4.00"
    told = lines(tmp_path, CanaryResult("accuracy", {}, 0.8, 0.9, None, (problem,)))
    [accuracy] = [line for line in told if "geval_accuracy" in line]
    assert accuracy.endswith("judge NOT VALID, AUC unknown")
    assert f"    the judge is advisory: accuracy: {problem}" in told
