"""A step finds its passages as it is told, by vectors, by words or both, and says what is to be known of it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from entrypoints.steps import evaluate, prepare
from entrypoints.steps.reporting.planning import _newest
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, PrerequisiteError
from ragft.params.data import PrepareParams
from ragft.params.scoring import EvaluateParams
from ragft.params.verdict import CompareParams
from ragft.retrieval.reranking import reranker_sha256
from ragft.retrieval.retriever import Retriever
from ragft.types import digest
from tests.tiny_model import make_tiny_model
from tests.tiny_reranker import make_tiny_reranker

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
torch.set_num_threads(1)
STOP_WORDS = "What is it that they have?"


@dataclass(frozen=True)
class Made:
    """Towns with documents, and questions about them, one of which has stop words only."""

    workspace: Workspace
    data: EvaluateParams
    reranker: str
    said: list[str]

    def evaluated(self, **changes: Any) -> Evaluation:  # noqa: ANN401
        self.said.clear()
        return evaluate.run(dataclasses.replace(self.data, **changes), self.workspace)[0]


@pytest.fixture(scope="module")
def made(module_workspace: Workspace, module_said: list[str]) -> Made:
    home = module_workspace.home
    documents: list[dict[str, Any]] = []
    questions: list[dict[str, Any]] = []
    for number in range(6):
        fact = f"The river of town {number} is called Wend{number}."
        documents.append({"id": f"t{number}", "text": f"{fact}\n\nTown {number} has a market.\n\nIts gate is red."})
        split = ("train", "dev", "test", "test", "test", "confirm")[number]
        questions.append({"id": f"q{number}", "question": f"Which river has town {number}?", "answer": f"Wend{number}",
                          "document": f"t{number}", "evidence": [fact], "split": split})  # fmt: skip
    questions[4]["question"] = STOP_WORDS
    for name, rows in {"documents": documents, "questions": questions}.items():
        (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = EvaluateParams(
        dataset="rows", path=str(home / "questions.jsonl"), documents=str(home / "documents.jsonl"), name="towns",
        chunk_chars=50, top_k=3, base=str(make_tiny_model(home / "tiny")), judge="none", max_new_tokens=2,
        context="retrieved", collection="all",
    )  # fmt: skip
    return Made(module_workspace, data, str(make_tiny_reranker(home / "reranker")), module_said)


def last_metrics() -> dict[str, float]:
    (run,) = mlflow.search_runs(search_all_experiments=True, max_results=1, output_format="list")
    return dict(MlflowClient().get_run(run.info.run_id).data.metrics)


def test_what_cannot_be_searched_is_refused_before_anything_is_prepared(made: Made, tmp_path: Path) -> None:
    refused: dict[str, tuple[dict[str, Any], type[Exception]]] = {
        "retriever is 'sparse', expected one of: dense, lexical, hybrid": ({"retriever": "sparse"}, ConfigError),
        "index is hnsw, but retriever is lexical": ({"retriever": "lexical", "index": "hnsw"}, ConfigError),
        "reranker=x was given with retrieved=": ({"reranker": "x", "retrieved": "log.jsonl"}, ConfigError),
        "reranker is empty": ({"reranker": " "}, ConfigError),
        "language is 'klingon', which Postgres has no": ({"retriever": "lexical", "language": "klingon"}, ConfigError),
        "is no folder here and was not downloaded": ({"reranker": str(tmp_path / "none")}, PrerequisiteError),
        "has no config.json": ({"reranker": str(tmp_path)}, PrerequisiteError),
    }
    for said, (given, kind) in refused.items():
        with pytest.raises(kind, match=said):
            made.evaluated(**given)
        if "retrieved" not in given:
            with pytest.raises(kind, match=said):
                prepare.run(PrepareParams(**{"dataset": "rows", "path": made.data.path, **given}), made.workspace)
    with made.workspace.store.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM passages").fetchone() == (0,)


def test_each_way_finds_its_own_and_is_a_condition_of_a_comparison(made: Made) -> None:
    ways: dict[str, dict[str, Any]] = {
        "dense": {},
        "lexical": {"retriever": "lexical"},
        "hybrid": {"retriever": "hybrid"},
        "reranked": {"retriever": "hybrid", "reranker": made.reranker},
    }
    found = {name: made.evaluated(**way) for name, way in ways.items()}
    conditions = [each.conditions["retrieval"] for each in found.values()]
    assert len(set(conditions)) == len(ways)
    assert conditions[0] == digest([found["dense"].collection, 3])
    served = {name: each.served_as for name, each in found.items()}
    assert all(served.values())
    assert [each.retriever for each in served.values() if each] == ["dense", "lexical", "hybrid", "hybrid"]
    assert served["reranked"] is not None
    assert served["reranked"].reranker_sha256 == reranker_sha256(made.reranker)
    # The town's number decides, and words find it.
    assert {row.id: row.numbers["mrr"] for row in found["lexical"].rows if row.id != "q4"} == {"q2": 1, "q3": 1}
    shown = {name: [row.passages for row in each.rows] for name, each in found.items()}
    assert shown["reranked"] != shown["hybrid"]


def test_an_evaluation_that_found_its_passages_otherwise_does_not_tell_how_scores_vary(made: Made) -> None:
    made.evaluated(split="dev")
    made.evaluated(split="dev", retriever="hybrid")
    base = open_registry().get("models:/ragft-towns-tiny/1")
    asked = {way: made.data.pick(CompareParams, retriever=way) for way in ("dense", "lexical", "hybrid")}
    found = {way: _newest(params, base) for way, params in asked.items()}
    assert found["lexical"] is None
    assert found["dense"] is not None
    assert found["hybrid"] is not None
    assert found["dense"].info.start_time < found["hybrid"].info.start_time


def test_a_question_of_stop_words_is_asked_without_passages_and_that_is_said(made: Made) -> None:
    rows = {row.id: row for row in made.evaluated(retriever="lexical").rows}
    assert rows["q4"].passages == ()
    assert rows["q4"].numbers["hit_at_3"] == 0
    assert rows["q4"].answer
    assert "1 of 3 questions of test share no word with any passage" in "\n".join(made.said)
    assert len(next(row for row in made.evaluated(retriever="hybrid").rows if row.id == "q4").passages) == 3
    assert "share no word" not in "\n".join(made.said)


def test_what_a_reranker_read_in_part_is_counted(made: Made, tmp_path: Path) -> None:
    small = str(make_tiny_reranker(tmp_path / "small", seed=3, window=16))
    made.evaluated(reranker=small)
    # 3 questions, each with all 12 passages of the collection.
    read = next(line for line in made.said if line.startswith("reranked by"))
    assert "36 passages read, of which" in read
    assert "did not fit its window of 16 tokens" in read
    metrics = last_metrics()
    assert metrics["reranker_pairs"] == 36
    assert 0 < metrics["reranker_cut_pairs"] <= 36


def test_an_index_of_few_passages_is_warned_of_and_held_to_its_recall(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, indexed = made.evaluated(), made.evaluated(index="hnsw")
    assert indexed.rows == exact.rows
    said = "\n".join(made.said)
    assert "index is hnsw for 12 passages: up to 1,000,000, exact search is fast" in said
    assert "the index finds 100.0% of what exact search finds, on 3 questions of test" in said
    assert last_metrics()["retrieval_index_recall_test"] == 1
    assert indexed.conditions["retrieval"] != exact.conditions["retrieval"]
    monkeypatch.setattr(Retriever, "recall", lambda *_: 0.96)
    with pytest.raises(ConfigError, match=r"the index finds 96.0% .* min_recall is 0.99: use -P index=exact, or allow"):
        made.evaluated(index="hnsw")
    made.evaluated(index="hnsw", min_recall=0.95)
    assert "the index finds 96.0%" in "\n".join(made.said)


def test_what_is_exported_has_the_scores_of_its_own_search(made: Made, tmp_path: Path) -> None:
    for name, way in {"lexical": {}, "hybrid": {}, "reranked": {"reranker": made.reranker}}.items():
        path, retriever = tmp_path / f"{name}.jsonl", "hybrid" if name == "reranked" else name
        asked = made.data.pick(PrepareParams, export_retrieved=str(path), retriever=retriever, **way)
        prepare.run(asked, made.workspace)
        rows = {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}
        assert len(rows) == 6
        scores = {question: [given["score"] for given in row["passages"]] for question, row in rows.items()}
        assert all(each == sorted(each, reverse=True) for each in scores.values())
        assert len(scores["q4"]) == (0 if name == "lexical" else 3)
        if name == "hybrid":
            assert all(0 < score <= 0.032787 for each in scores.values() for score in each)
        ours = made.evaluated(retriever=retriever, questions=0, **way)
        # Also where no word matches: what was asked without passages is asked so again.
        assert made.evaluated(retrieved=str(path)).rows == ours.rows
