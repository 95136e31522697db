"""NUL bytes, lone surrogates, right-to-left text and naughty strings survive the whole path."""

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from ragft.tracking import loggable
from tests.end_to_end.conftest import ROOT, Checkout
from tests.tiny_model import make_tiny_model

ORDINARY = {"train": "What is asked in train?", "dev": "What does dev want to know?", "confirm": "Who confirms it?"}
SPECIAL = (
    "a\x00b",
    "half \ud800 a pair",
    "\udfff",
    "שלום <b>עולם</b>",
    "مرحبا",
    "=1+1",
    "<script>alert(1)</script>",
    "x" * 4000,
)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Every fifth naughty string that is not blank, and those that break databases and files."""
    naughty = json.loads((ROOT / "tests/data/hostile/blns.json").read_text(encoding="utf-8"))
    chosen = [text for text in naughty if text.strip()][::5]
    assert len(chosen) > 80
    return [*ORDINARY.values(), *SPECIAL, *chosen]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> list[dict[str, object]]:
    """The rows of an evaluation whose questions, references and documents are those texts, in a home of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    checkout = Checkout(folder / "home", make_tiny_model(folder / "tiny"))
    documents, questions = folder / "documents.jsonl", folder / "questions.jsonl"
    documents.write_text("".join(json.dumps({"id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(texts)))
    splits = [*ORDINARY, *["test"] * (len(texts) - len(ORDINARY))]
    rows = [
        {"id": f"q{i}", "question": t, "answer": t, "document": f"d{i}", "evidence": [t], "split": splits[i]}
        for i, t in enumerate(texts)
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given: dict[str, Any] = {"dataset": "rows", "path": questions, "documents": documents, "base": checkout.base}
    checkout.step("evaluate", **given, judge="none", max_new_tokens=2, top_k=2)
    mlflow.set_tracking_uri(checkout.tracking_uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("ragft")
    assert experiment is not None
    (run,) = client.search_runs(
        [experiment.experiment_id], "tags.`ragft.data` = 'questions' and tags.`ragft.context` = 'retrieved'"
    )
    stored = json.loads(Path(client.download_artifacts(run.info.run_id, "rows.json")).read_text())
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return [dict(zip(stored["columns"], row, strict=True)) for row in stored["data"]]


def test_every_question_is_there_as_it_was_written(table: list[dict[str, object]], texts: list[str]) -> None:
    there = {row["id"]: row["input"] for row in table}
    assert there == {f"q{i}": loggable(text) for i, text in enumerate(texts) if text not in ORDINARY.values()}


def test_every_question_was_answered_from_passages(table: list[dict[str, object]]) -> None:
    assert all(str(row["context"]).strip() for row in table)
    assert all(row["output"] is not None for row in table)
