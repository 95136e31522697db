"""Probe, doses of Unknown examples, other methods, going on from an adapter: on the pocket model, without documents.

The questions are the pocket's own: facts it knows, and products it never heard of with answers that are made up.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from entrypoints.steps import compare, evaluate, finetune, probe, verify
from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, PrerequisiteError
from ragft.params.scoring import EvaluateParams, VerifyParams
from ragft.params.training import FinetuneParams, ProbeParams
from ragft.params.verdict import CompareParams
from ragft.pocket.general import known_facts, unknown_products
from ragft.store.connection import Store

# MLflow's own ways with data frames, with pandas 3.
pytestmark = pytest.mark.filterwarnings("ignore")
torch.set_num_threads(1)
KNOWN, UNKNOWN = 24, 24
NAME = "facts"


def write_facts(path: Path) -> None:
    """Write short answers the pocket gives word by word, and others that nobody could know."""
    known = [{"question": q.text, "answers": [q.references[0]]} for q in known_facts()[:KNOWN]]
    unknown = [
        {"question": q.text, "answers": [f"Zone {number}."]} for number, q in enumerate(unknown_products()[:UNKNOWN])
    ]
    path.write_text(json.dumps([*known, *unknown]), encoding="utf-8")


@pytest.fixture
def workspace(store: Store, tmp_path: Path) -> Iterator[Workspace]:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("knowledge", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("knowledge")
    write_facts(tmp_path / "facts.json")
    said: list[str] = []
    yield Workspace(tmp_path, store, said.append)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def data(workspace: Workspace) -> dict[str, object]:
    return {
        "dataset": "entity_questions",
        "path": str(workspace.home / "facts.json"),
        "name": NAME,
        "allow_leaks": True,
    }


def small(workspace: Workspace, **changes: object) -> FinetuneParams:
    settings = {"samples": 4, "epochs": 1, "batch_size": 4, "learning_rate": 5e-3, "lora_rank": 4, **changes}
    return FinetuneParams(**data(workspace), **settings)  # type: ignore[arg-type]


def test_a_dose_needs_a_probe_and_enough_of_both(workspace: Workspace) -> None:
    with pytest.raises(PrerequisiteError, match=r"was not probed here: run mlflow run \. -e probe"):
        finetune.run(small(workspace, unknown_share=0.5), workspace)
    probed = probe.run(ProbeParams(**data(workspace), sets=2, samples=1, questions=0), workspace)  # type: ignore[arg-type]
    found = {name: sum(counts[name] for counts in probed.counts.values()) for name in ("HighlyKnown", "Unknown")}
    assert found["HighlyKnown"] > KNOWN / 3
    assert found["Unknown"] > UNKNOWN / 2
    with pytest.raises(ConfigError, match=r"samples=200 with unknown_share=0\.5 takes 100 Known and 100"):
        finetune.run(small(workspace, unknown_share=0.5, samples=200), workspace)
    with pytest.raises(ConfigError, match="use format=closed_book"):
        finetune.run(small(workspace, unknown_share=0.5, format="retrieved"), workspace)

    again = probe.run(ProbeParams(**data(workspace), sets=2, samples=1, questions=0), workspace)  # type: ignore[arg-type]
    assert again.estimates == probed.estimates
    rows = mlflow.artifacts.load_dict(f"runs:/{again.run_id}/probe.json")
    assert {"category", "p_greedy", "p_greedy_low", "p_sampled_high", "first_answer"} <= set(rows["columns"])

    made = finetune.run(small(workspace, unknown_share=0.5, epochs=2), workspace)
    client = MlflowClient()
    for metric in ("fitted_known", "fitted_unknown", "held_out_known_right", "held_out_known_false"):
        assert [point.step for point in client.get_metric_history(made.run_id, metric)] == [0, 1, 2], metric
    artifacts = {file.path for file in client.list_artifacts(made.run_id)}
    assert {"knowledge_curves.png", "dose.png", "dose.json"} <= artifacts
    curves = mlflow.artifacts.load_dict(f"runs:/{made.run_id}/dose.json")["curves"]
    assert [point["epoch"] for point in curves[0]["points"]] == [0.0, 1.0, 2.0]


def test_data_without_documents_are_asked_without_passages_only(workspace: Workspace) -> None:
    said: list[str] = []
    told = Workspace(workspace.home, workspace.store, said.append)
    wanted = {**data(workspace), "judge": "none", "questions": 3}
    with pytest.raises(ConfigError, match="context retrieved is unavailable: facts has no documents"):
        evaluate.run(EvaluateParams(**wanted, context="retrieved"), told)  # type: ignore[arg-type]
    found = evaluate.run(EvaluateParams(**wanted), told)  # type: ignore[arg-type]
    assert [one.context for one in found] == ["none"]
    assert any("unavailable: facts has no documents" in line for line in said)
    with pytest.raises(ConfigError, match="format is raft, but facts has no documents"):
        finetune.run(small(workspace, format="raft"), workspace)


@pytest.mark.parametrize("method", ["dora", "ia3", "prompt_tuning"])
def test_other_methods_train_register_and_load_back(method: str, workspace: Workspace) -> None:
    made = finetune.run(small(workspace, method=method), workspace)
    run = MlflowClient().get_run(made.run_id)
    assert run.data.tags["ragft.adapter_active"] == "True"
    assert made.version.lineage.method == method
    metrics = run.data.metrics
    assert metrics["peak_memory_bytes"] > 0
    assert metrics["tokens_per_second"] > 0
    assert -1 <= metrics["forgetting_known_facts"] <= 1
    assert metrics["forgetting_known_facts_low"] <= metrics["forgetting_known_facts"]
    assert metrics["forgetting_unknown_refused_n"] > 100
    assert len(forgetting.lines_of(made.version)) == 2
    params = EvaluateParams(model=made.version.uri, context="none", judge="none", questions=2)
    (evaluation,) = evaluate.run(params, workspace)
    assert len(evaluation.rows) == 2
    served = mlflow.pyfunc.load_model(made.version.uri)
    answers = served.predict([{"question": "What is the monthly price of Iron Bridge?"}])
    assert answers["answer"][0]
    assert answers["sources"][0] == []


def test_an_adapter_goes_on_and_both_data_sets_are_measured(workspace: Workspace) -> None:
    parent = finetune.run(small(workspace), workspace)
    other = workspace.home / "other.json"
    rows = [{"question": q.text, "answers": [q.references[0]]} for q in known_facts()[60:100]]
    other.write_text(json.dumps(rows), encoding="utf-8")
    settings = {**data(workspace), "path": str(other), "name": "other", "samples": 4, "epochs": 1, "lora_rank": 4}
    settings |= {"learning_rate": 5e-3, "continue_from": parent.version.uri}
    child = finetune.run(FinetuneParams(**settings), workspace)  # type: ignore[arg-type]
    assert child.version.lineage.parent == parent.version.uri
    assert open_registry().get(child.version.uri).lineage.parent == parent.version.uri
    assert MlflowClient().get_run(child.run_id).data.metrics[f"forgetting_{NAME}_n"] > 0
    assert child.result.identity != parent.result.identity
    with pytest.raises(ConfigError, match="with method lora, asked is ia3"):
        finetune.run(FinetuneParams(**{**settings, "method": "ia3"}), workspace)  # type: ignore[arg-type]
    with pytest.raises(PrerequisiteError, match="nowhere, which was not prepared here"):
        finetune.run(small(workspace, general="nowhere"), workspace)
    other_split = {**data(workspace), "data_seed": 1}
    asked = {**other_split, "model": parent.version.uri, "judge": "none", "questions": 2}
    expected = f"{parent.version.uri} was trained on facts .* data_seed 0, .* data_seed 1"
    with pytest.raises(ConfigError, match=expected):
        evaluate.run(EvaluateParams(**asked), workspace)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=expected):
        compare.run(CompareParams(**asked), workspace)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=expected):
        verify.run(VerifyParams(**asked), workspace)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=expected):
        finetune.run(FinetuneParams(**{**settings, **other_split, "name": "again"}), workspace)  # type: ignore[arg-type]
