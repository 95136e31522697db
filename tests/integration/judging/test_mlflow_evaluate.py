"""The metrics inside a real `mlflow.models.evaluate`, on a real tracking store."""

import json
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ragft.judging.metrics import ROW_ID, judge_metric, number_metric, overlap_metrics
from ragft.prompts.criterion import load_criterion
from ragft.types import Score


@pytest.mark.filterwarnings("ignore")
def test_metrics_and_per_row_table_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    frame = pd.DataFrame({ROW_ID: ["a", "b", "c"], "answer": ["$24", "no", ""], "reference": ["$24", "yes", "x"]})
    scores = {"a": Score("accuracy", 5.0, "right"), "b": Score("accuracy", None), "c": Score("accuracy", 1.0, "empty")}
    answers = dict(zip(frame[ROW_ID], frame["answer"], strict=True))
    references = {row: (text,) for row, text in zip(frame[ROW_ID], frame["reference"], strict=True)}
    metrics = [
        judge_metric(load_criterion("accuracy"), scores),
        *overlap_metrics(answers, references),
        number_metric("never_scored", dict.fromkeys(answers)),
    ]
    with mlflow.start_run():
        result = mlflow.models.evaluate(  # type: ignore[no-untyped-call]
            data=frame, predictions="answer", targets="reference", extra_metrics=metrics
        )
    assert result.metrics["geval_accuracy/mean"] == 3.0
    assert result.metrics["geval_accuracy/n_scored"] == 2
    assert result.metrics["geval_accuracy/n_unscored"] == 1
    assert result.metrics["answer_f1/mean"] == pytest.approx(1 / 3)
    assert result.metrics["never_scored/n_unscored"] == 3
    assert "never_scored/mean" not in result.metrics
    table = result.tables["eval_results_table"]
    assert table["geval_accuracy/score"].isna().tolist() == [False, True, False]
    assert table["geval_accuracy/justification"].tolist() == ["right", "", "empty"]
    assert json.loads(table.to_json())
