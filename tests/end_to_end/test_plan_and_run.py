"""A plan refuses nothing that the study itself would do: passages that do not fit are left out in both."""

import json
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.end_to_end.conftest import Checkout
from tests.tiny_model import make_tiny_model

WINDOW = 2048
ASKED = ("What is the day", "What is the river", "Which is the place")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("plan")
    return Checkout(folder / "home", make_tiny_model(folder / "tiny", context=WINDOW))


@pytest.fixture(scope="module")
def params(home: Checkout) -> dict[str, Any]:
    """Five passages of 1,500 characters for a window of 2,048 tokens."""
    documents = home.base.parent / "documents"
    documents.mkdir()
    rows = []
    for town in range(8):
        sentence = f"Town {town} lies on the river of the town before it, and its market is held on day {town}. "
        (documents / f"{town}.md").write_text(sentence * 80, encoding="utf-8")
        rows += [{"question": f"{ask} of town {town}?", "answer": f"{town}", "document": f"{town}.md"} for ask in ASKED]
    questions = home.base.parent / "questions.jsonl"
    questions.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return {
        "dataset": "rows",
        "path": questions,
        "documents": documents,
        "name": "towns",
        "base": home.base,
        "samples": 4,
        "format": "closed_book",
        "epochs": 1,
        "learning_rate": 0.01,
        "seeds": 0,
        "questions": 4,
        "agreement": 0,
        "max_new_tokens": 8,
        "criteria": "accuracy,completeness",
    }


def runs_of(home: Checkout) -> list[Run]:
    mlflow.set_tracking_uri(home.tracking_uri)
    try:
        experiment = MlflowClient().get_experiment_by_name("ragft")
        assert experiment is not None
        return list(MlflowClient().search_runs([experiment.experiment_id]))
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_what_is_planned_is_what_runs_under_the_name_of_the_data(home: Checkout, params: dict[str, Any]) -> None:
    planned = home.step("study", **params, dry_run=True).stdout
    assert "0 of 1 cells are done; time " in planned
    (cell,) = [line.split() for line in planned.splitlines() if line.startswith("towns|n4|lora closed_book s0")]
    assert int(cell[4]) > 0
    done = home.step("study", **params).stdout
    assert "[1/1] towns|n4|lora closed_book s0: " in done
    runs = runs_of(home)
    assert {run.info.run_name for run in runs} >= {"towns|study embedded", "towns|n4|lora closed_book s0"}
    dropped = [run.data.metrics["dropped_passages_mean"] for run in runs if "dropped_passages_mean" in run.data.metrics]
    assert dropped
    assert min(dropped) > 0
    assert "1 of 1 cells are done" in home.step("study", **params, dry_run=True).stdout


def test_a_command_that_fails_is_named_after_the_data(home: Checkout, params: dict[str, Any]) -> None:
    failed = home.mlflow_run("evaluate", check=False, dataset="rows", name="towns", model="models:/ragft-towns-none/7")
    assert "models:/ragft-towns-none/7 is not in the registry" in failed.stdout + failed.stderr
    wrong = home.mlflow_run("finetune", check=False, dataset="rows", name="towns", samples="many")
    assert "'many' is not a whole number" in wrong.stdout + wrong.stderr
    names = [run.info.run_name for run in runs_of(home) if run.info.status == "FAILED"]
    assert sorted(names) == ["towns|evaluate", "towns|finetune"]


def test_data_of_ones_own_need_their_name(home: Checkout) -> None:
    for step in ("compare", "rollback"):
        done = home.step(step, dataset="rows", check=False)
        assert done.returncode == 2, step
        assert "name is missing: dataset=rows says how files are laid out, not which" in done.stderr
        assert "add -P name=..., one of: " in done.stderr
        assert "towns" in done.stderr
