"""Whole-column metrics for `mlflow.models.evaluate` (the function that `mlflow.evaluate` wraps).

MLflow calls every ``eval_fn`` on row 0 alone before it calls it on all rows, and logs no aggregate
of its own as soon as a score is missing. So these metrics look up what was computed before, by the
ids in one column, and always give their own aggregates.
"""

import inspect
import statistics
from collections.abc import Mapping, Sequence

import pandas as pd
from mlflow.metrics import MetricValue, make_metric
from mlflow.models import EvaluationMetric

from ragft.errors import ConfigError
from ragft.judging.overlap import OVERLAP, overlap
from ragft.prompts.criterion import Criterion
from ragft.types import Score

ROW_ID = "question_id"
"""The column of the evaluated data frame that holds what the scores are looked up by, shown in the UI's table."""


def judge_metric(criterion: Criterion, scores: Mapping[str, Score]) -> EvaluationMetric:
    """Return the metric ``geval_<criterion>``, with the judge's reasons beside the scores."""
    return _lookup_metric(
        f"geval_{criterion.name}",
        {row: score.value for row, score in scores.items()},
        higher_is_better=criterion.direction == "higher",
        reasons={row: score.reason for row, score in scores.items()},
    )


def overlap_metrics(answers: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> list[EvaluationMetric]:
    """Return the metrics of `OVERLAP` for answers by row id; an id without references is unscored."""
    found = {row: overlap(text, references.get(row, ())) for row, text in answers.items()}
    return [number_metric(name, {row: values[name] for row, values in found.items()}) for name in OVERLAP]


def number_metric(
    name: str, values: Mapping[str, float | None], *, higher_is_better: bool = True, may_not_apply: bool = False
) -> EvaluationMetric:
    """Return a metric of numbers that were computed before, by row id.

    With ``may_not_apply`` a missing number means that the metric does not apply to the row (the evidence is unknown,
    the question has no answer). It is counted as ``n_not_applicable`` instead of ``n_unscored``.

    Raises:
        ConfigError: If ``name`` is not a Python identifier, which MLflow requires.
    """
    return _lookup_metric(name, values, higher_is_better=higher_is_better, reasons=None, may_not_apply=may_not_apply)


def aggregates(values: Sequence[float | None], *, may_not_apply: bool = False) -> dict[str, float]:
    """Return mean, n_scored and n_unscored; without a scored row there is no mean."""
    scored = [value for value in values if value is not None]
    missing = float(len(values) - len(scored))
    counts = {"n_scored": float(len(scored)), "n_unscored": 0.0 if may_not_apply else missing}
    if may_not_apply:
        counts["n_not_applicable"] = missing
    return {"mean": statistics.fmean(scored), **counts} if scored else counts


def _lookup_metric(
    name: str,
    values: Mapping[str, float | None],
    *,
    higher_is_better: bool,
    reasons: Mapping[str, str] | None,
    may_not_apply: bool = False,
) -> EvaluationMetric:
    if not name.isidentifier():
        raise ConfigError(f"metric name is {name!r}, expected a Python identifier such as geval_accuracy")

    def look_up(rows: "pd.Series[str]") -> MetricValue:
        found = [values[row] for row in rows]
        return MetricValue(
            scores=found,  # type: ignore[arg-type]  # None is an unscored row
            justifications=None if reasons is None else [reasons[row] for row in rows],
            aggregate_results=aggregates(found, may_not_apply=may_not_apply),
        )

    # MLflow takes the name of the column from the name of the parameter.
    parameter = inspect.Parameter(ROW_ID, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    look_up.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    metric: EvaluationMetric = make_metric(  # type: ignore[no-untyped-call]
        eval_fn=look_up, greater_is_better=higher_is_better, name=name
    )
    return metric
