"""Training on passages that hide their answers is stopped before a model is trained."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from entrypoints.steps import finetune
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import DataError
from ragft.params.training import FinetuneParams
from ragft.store.connection import Store

QUESTIONS = 64


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[None]:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("hits", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("hits")
    yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def write_rows(folder: Path) -> None:
    """Write train questions whose evidence shares no word with them, among passages that do, and test ones without."""
    documents, questions = [], []
    for split in ("train", "test"):
        for number in range(QUESTIONS):
            name, gate = f"{split}-{number}", f"{split} gate {number}"
            evidence = f"Painters chose shade number {number} there." if split == "train" else f"The {gate} is green."
            noise = [f"Which colour has the {gate}, asked visitor {i} about the {gate}." for i in range(6)]
            paragraphs = [evidence, *(noise if split == "train" else [])]
            documents.append({"id": name, "title": name, "text": "\n\n".join(paragraphs)})
            questions.append(
                {"id": name, "question": f"Which colour has the {gate}?", "answer": f"Shade {number}.",
                 "document": name,
                 "evidence": [evidence], "split": split}
            )  # fmt: skip
    (folder / "documents.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    (folder / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))


@pytest.mark.usefixtures("tracked")
def test_training_on_passages_without_the_answers_is_stopped(store: Store, tmp_path: Path) -> None:
    write_rows(tmp_path)
    said: list[str] = []
    workspace = Workspace(tmp_path, store, said.append)
    params = FinetuneParams(
        dataset="rows", path=str(tmp_path / "questions.jsonl"), documents=str(tmp_path / "documents.jsonl"),
        format="retrieved", samples=32, chunk_chars=80, top_k=3, allow_leaks=True,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"hit@3 is 0\.\d+ on train \(32 questions\)") as stopped:
        finetune.run(params, workspace)
    assert "allow_low_hit_rate=True" in str(stopped.value)
    assert not list(tmp_path.glob("training/*/adapter"))
