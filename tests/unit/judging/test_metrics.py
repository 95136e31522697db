"""The metrics that MLflow calls: whole columns, probed on row 0 first, unscored rows counted."""

import inspect

import pandas as pd
import pytest

from ragft.errors import ConfigError
from ragft.judging.metrics import ROW_ID, aggregates, judge_metric, number_metric, overlap_metrics
from ragft.prompts.criterion import load_criterion
from ragft.types import Score

ROWS = pd.Series(["q1", "q2", "q3"], name=ROW_ID)
SCORES = {
    "q1": Score("accuracy", 4.0, "fine"),
    "q2": Score("accuracy", None),
    "q3": Score("accuracy", 1.0, "wrong"),
}


def test_scores_are_a_list_with_reasons_and_counted_aggregates() -> None:
    metric = judge_metric(load_criterion("accuracy"), SCORES)
    assert metric.name == "geval_accuracy"
    assert metric.greater_is_better
    value = metric.eval_fn(ROWS)
    assert type(value.scores) is list
    assert value.scores == [4.0, None, 1.0]
    assert value.justifications == ["fine", "", "wrong"]
    assert value.aggregate_results == {"mean": 2.5, "n_scored": 2.0, "n_unscored": 1.0}


def test_the_probe_on_row_0_gives_that_row() -> None:
    value = judge_metric(load_criterion("accuracy"), SCORES).eval_fn(ROWS[:1])
    assert value.scores == [4.0]


def test_the_column_is_taken_from_the_parameters_name() -> None:
    metric = number_metric("latency_ms", {"q1": 1.0}, higher_is_better=False)
    assert list(inspect.signature(metric.eval_fn).parameters) == [ROW_ID]
    assert not metric.greater_is_better


def test_lower_is_better_follows_the_criterion() -> None:
    assert not judge_metric(load_criterion("hallucination"), SCORES).greater_is_better


def test_overlap_without_references_is_unscored() -> None:
    answers = {"q1": "the fee is $24", "q2": "No", "q3": "x"}
    references: dict[str, tuple[str, ...]] = {"q1": ("$24",), "q2": ("no",), "q3": ()}
    f1, exact = overlap_metrics(answers, references)
    assert [f1.name, exact.name] == ["answer_f1", "exact_match"]
    assert f1.eval_fn(ROWS).scores == [pytest.approx(0.5), 1.0, None]
    assert exact.eval_fn(ROWS).scores == [0.0, 1.0, None]


def test_no_scored_row_has_no_mean() -> None:
    assert aggregates([None, None]) == {"n_scored": 0.0, "n_unscored": 2.0}


def test_a_row_without_a_score_is_a_bug_and_not_a_zero() -> None:
    with pytest.raises(KeyError):
        number_metric("m", {"q1": 1.0}).eval_fn(ROWS)


def test_a_name_that_mlflow_cannot_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="recall@5"):
        number_metric("recall@5", {})


def test_a_row_that_a_metric_does_not_apply_to_is_not_unscored() -> None:
    assert aggregates([1.0, None], may_not_apply=True) == {
        "mean": 1.0,
        "n_scored": 1.0,
        "n_unscored": 0.0,
        "n_not_applicable": 1.0,
    }
