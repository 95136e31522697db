"""What an evaluation keeps of every row: its scores without a judge too, and which question it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from entrypoints.steps.shared import scoring
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.params.scoring import EvaluateParams
from ragft.store.connection import Store

ROWS = [
    Scored("q1", "How much?", "the fee is $24", ("$24",), ("The fee is $24.",)),
    Scored("q2", "Is it?", "No", ("no", "not"), ()),
    Scored("q3", "Who?", "somebody", (), ()),
]


@pytest.fixture
def run_id(store: Store, tmp_path: Path) -> Iterator[str]:
    """The run of an evaluation of the rows without a judge."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("rows", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("rows")
    with mlflow.start_run() as run:
        scoring.score(ROWS, [], None, EvaluateParams(), Workspace(tmp_path, store, print))
    yield run.info.run_id
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
def test_every_row_has_its_overlap_and_its_question(run_id: str, tmp_path: Path) -> None:
    for name, read in (("rows.parquet", pd.read_parquet), ("rows.csv", pd.read_csv)):
        path = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{name}", dst_path=str(tmp_path))
        table = read(path)
        assert table["id"].tolist() == ["q1", "q2", "q3"], name
        assert table["answer_f1"].tolist()[:2] == pytest.approx([0.5, 1.0]), name
        assert table["exact_match"].tolist()[:2] == [0.0, 1.0], name
        assert table[["answer_f1", "exact_match"]].iloc[2].isna().all(), name
    shown = mlflow.artifacts.load_dict(f"runs:/{run_id}/eval_results_table.json")
    assert shown["columns"][0] == "question_id"
    assert [row[0] for row in shown["data"]] == ["q1", "q2", "q3"]


def test_passages_that_did_not_fit_are_said_with_the_scores(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    rows = [
        Scored("q1", "How much?", "$24", (), ("one", "two"), facts={"dropped_passages": 3}),
        Scored("q2", "Is it?", "No", (), ("one", "two", "three", "four", "five"), facts={"dropped_passages": 0}),
    ]
    evaluations = [Evaluation("run", {}, kept, name="base", context="retrieved") for kept in (rows, rows[1:])]
    scoring.show(evaluations, "the base", Workspace(tmp_path, store, said.append))
    assert said == [
        "the base",
        "  base, context retrieved",
        "    warning: only 3.5 of 5.0 passages a question were seen; the rest did not fit the context window, in 1 of "
        "2 questions (see chunk_chars, top_k)",
        "  base, context retrieved",
    ]


def test_the_runs_experiment_has_a_view_with_verdicts_and_keeps_a_description_of_its_own(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    found = {}
    for name, description in (("new", ""), ("described", "our own words")):
        tags = {tracking.DESCRIPTION: description} if description else {}
        mlflow.create_experiment(name, artifact_location=(tmp_path / name).as_uri(), tags=tags)
        mlflow.set_experiment(name)
        with mlflow.start_run() as run:
            tracking.name_run("a run", {})
        found[name] = client.get_experiment(run.info.experiment_id)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    view = json.loads(found["new"].tags["mlflow.sharedViewState.ragft"])
    assert {"name", "createdAt", "state"} <= view.keys()
    assert json.loads(view["state"])["selectedColumns"][0] == "tags.`ragft.verdict`"
    link = f"(#/experiments/{found['new'].experiment_id}/runs?viewStateShareKey=ragft)"
    assert link in found["new"].tags[tracking.DESCRIPTION]
    assert found["described"].tags[tracking.DESCRIPTION] == "our own words"
