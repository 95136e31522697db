"""The main job on real papers: prepare, finetune, evaluate and the registry, through `mlflow run`."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.end_to_end.conftest import ROOT, Checkout

NAME = "ragft-qasper-tiny"


@pytest.fixture(scope="module")
def client(checkout: Checkout, papers: Path) -> Iterator[MlflowClient]:
    """The store after the lifecycle: prepared, two adapters trained, base and one adapter evaluated."""
    data: dict[str, Any] = {"dataset": "qasper"}
    checkout.mlflow_run("prepare", cold=True, **data, path=papers)
    tiny: dict[str, Any] = {**data, "base": checkout.base}
    quick: dict[str, Any] = {"judge": "none", "max_new_tokens": 12}
    everywhere = "none,retrieved,withheld,oracle,oracle_distractors"
    checkout.mlflow_run("evaluate", cold=True, **tiny, **quick, model="base", context=everywhere)
    checkout.mlflow_run("finetune", cold=True, **tiny, samples=5, epochs=2, learning_rate=0.01, lora_rank=4)
    checkout.step("finetune", **tiny, samples=3, epochs=1, method="qlora", format="retrieved", learning_rate=0.01)
    checkout.mlflow_run("evaluate", **quick, model=f"models:/{NAME}@challenger", context="retrieved")
    mlflow.set_tracking_uri(checkout.tracking_uri)
    yield MlflowClient()
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def runs(client: MlflowClient, condition: str) -> list[Run]:
    experiment = client.get_experiment_by_name("ragft")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], condition)


def test_every_run_finished(client: MlflowClient) -> None:
    found = runs(client, "")
    assert len(found) >= 8
    assert {run.info.status for run in found} == {"FINISHED"}


def test_base_is_version_1_and_champion_and_challenger_is_the_newest_adapter(client: MlflowClient) -> None:
    versions = sorted(client.search_model_versions(f"name='{NAME}'"), key=lambda v: int(v.version))
    assert [v.tags["ragft.kind"] for v in versions] == ["base", "adapter", "adapter"]
    assert [v.tags["ragft.method"] for v in versions] == ["", "lora", "qlora"]
    assert [v.tags["ragft.samples"] for v in versions] == ["0", "5", "3"]
    assert len({v.tags["ragft.base_fingerprint"] for v in versions}) == 1
    assert len({v.tags["ragft.data_sha256"] for v in versions}) == 1
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "1"
    assert str(client.get_model_version_by_alias(NAME, "challenger").version) == "3"


def test_the_base_is_stored_by_reference(client: MlflowClient) -> None:
    stored = Path(str(client.get_model_version(NAME, "1").source))
    local = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/1"))
    assert sum(file.stat().st_size for file in local.rglob("*")) < 100_000, stored


def test_base_and_adapter_log_the_same_metrics(client: MlflowClient) -> None:
    evaluated = [run for run in runs(client, "tags.`ragft.step` = 'evaluate'") if "answer_f1/mean" in run.data.metrics]
    contexts = {(run.data.tags["ragft.model"], run.data.tags["ragft.context"]) for run in evaluated}
    base = {("base", context) for context in ("none", "retrieved", "oracle", "oracle_distractors")}
    assert contexts == base | {(f"models:/{NAME}/3", "retrieved")}
    names = [set(run.data.metrics) for run in evaluated if run.data.tags["ragft.context"] == "retrieved"]
    assert len(names) == 2
    assert names[0] == names[1]
    assert {"answer_f1/mean", "answer_f1/n_scored", "answer_f1/n_unscored", "hit_at_5/mean", "mrr/mean"} <= names[0]


def test_both_sides_saw_the_same_passages(client: MlflowClient, tmp_path: Path) -> None:
    tables = []
    for run in runs(client, "tags.`ragft.context` = 'retrieved'"):
        folder = Path(client.download_artifacts(run.info.run_id, "rows.json", str(tmp_path)))
        table = json.loads(folder.read_text())
        column = table["columns"].index("context")
        tables.append([row[column] for row in table["data"]])
    assert len(tables) == 2
    assert tables[0] == tables[1]
    assert any("\n\n" in context for context in tables[0])


def test_training_is_logged_as_curves_and_measurements(client: MlflowClient) -> None:
    (run,) = runs(client, "tags.`ragft.step` = 'finetune' and tags.`ragft.method` = 'lora'")
    losses = client.get_metric_history(run.info.run_id, "train_loss")
    assert len(losses) >= 2
    assert {"tokens_per_second", "peak_memory_bytes", "trainable_parameters", "dev_loss"} <= set(run.data.metrics)
    assert run.data.params["samples"] == "5"


def test_more_samples_than_train_has_says_how_many_there_are(client: MlflowClient, checkout: Checkout) -> None:
    done = checkout.step("finetune", check=False, dataset="qasper", base=checkout.base, samples=200)
    assert done.returncode == 2
    assert "samples=200 cannot be taken from a train split of" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_version_is_served_with_its_sources(client: MlflowClient, checkout: Checkout) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        "mlflow",
        "models",
        "serve",
        "-m",
        f"models:/{NAME}@challenger",
        "--env-manager",
        "local",
        "--port",
        str(port),
    ]
    environment = {**checkout.environment, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=checkout.home, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            reply = _ask(server, f"http://127.0.0.1:{port}/invocations", "Which data sets are used?")
            chat = {"messages": [{"role": "user", "content": "Which data sets are used?"}]}
            completion = httpx2.post(f"http://127.0.0.1:{port}/invocations", json=chat, timeout=60).json()
        finally:
            subprocess.run(["pkill", "-P", str(server.pid)], check=False)
            server.terminate()
    (answer,) = reply["predictions"]
    assert isinstance(answer["answer"], str)
    assert len(answer["sources"]) == 5
    assert all(source.strip() for source in answer["sources"])
    assert completion["choices"][0]["message"]["content"] == answer["answer"]
    assert [source["text"] for source in completion["custom_outputs"]["sources"]] == answer["sources"]


def test_the_commands_of_the_page_on_serving(client: MlflowClient, checkout: Checkout) -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8").replace("ragft-qasper-pocket", NAME)
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    serve, ask = (shlex.split(line) for line in block.splitlines())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = checkout.begin([word.replace("5002", port) for word in serve], {}, cold=False)
    assert server.stdout is not None
    try:
        said = next(line for line in server.stdout if "answers as model" in line)
        assert f"models:/{NAME}/1 answers as model models:/{NAME}@champion at http://127.0.0.1:{port}/v1" in said
        done = subprocess.run([word.replace("5002", port) for word in ask], capture_output=True, text=True, check=True)
    finally:
        os.kill(server.pid, signal.SIGTERM)
        code = server.wait()
        server.stdout.close()
    assert code == 143
    reply = json.loads(done.stdout)
    assert reply["model"] == f"models:/{NAME}/1"
    assert len(reply["custom_outputs"]["sources"]) == 5


def _ask(server: "subprocess.Popen[str]", url: str, question: str) -> dict[str, Any]:
    body = json.dumps({"dataframe_records": [{"question": question}]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return dict(json.load(response))
        except ConnectionError as error:
            assert server.poll() is None, server.stderr.read() if server.stderr else ""
            assert time.monotonic() < deadline, error
        except urllib.error.URLError as error:
            assert server.poll() is None, server.stderr.read() if server.stderr else ""
            assert time.monotonic() < deadline, error
        time.sleep(0.5)


def test_an_adapter_that_was_tampered_with_is_refused(client: MlflowClient, checkout: Checkout, tmp_path: Path) -> None:
    folder = mlflow.artifacts.download_artifacts(f"models:/{NAME}/2/artifacts/adapter", dst_path=str(tmp_path))
    weights = (Path(folder) / "adapter_model.safetensors").read_bytes()
    (stored,) = [p for p in checkout.home.glob("artifacts/**/adapter_model.safetensors") if p.read_bytes() == weights]
    original = stored.read_bytes()
    changed = bytearray(original)
    changed[-1] ^= 1
    try:
        stored.write_bytes(bytes(changed))
        done = checkout.step("evaluate", check=False, model=f"models:/{NAME}/2", judge="none")
    finally:
        stored.write_bytes(original)
    assert done.returncode == 3
    assert "adapter_model.safetensors was changed" in done.stderr


def test_a_judge_that_cannot_be_read_decides_nothing(client: MlflowClient, checkout: Checkout) -> None:
    quick: dict[str, Any] = {"max_new_tokens": 12, "estimator": "expected_no_rationale", "context": "retrieved"}
    tiny: dict[str, Any] = {"dataset": "qasper", "base": checkout.base}
    done = checkout.mlflow_run("promote", cold=True, **quick, **tiny, model=f"models:/{NAME}/2")
    assert "inconclusive, because the comparison cannot be relied on" in done.stdout + done.stderr
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "1"
    tags = client.get_model_version(NAME, "2").tags
    assert tags["ragft.decision"] == "inconclusive"
    assert "no question was scored on both sides" in tags["ragft.decision_reasons"]
    failed = checkout.step("promote", check=False, **quick, model=f"models:/{NAME}/2", on_reject="fail")
    assert failed.returncode == 6


def test_a_person_overrules_the_verdict_and_takes_it_back(client: MlflowClient, checkout: Checkout) -> None:
    quick: dict[str, Any] = {"max_new_tokens": 12, "estimator": "expected_no_rationale"}
    refused = checkout.step("promote", check=False, model=f"models:/{NAME}/2", force=True)
    assert refused.returncode == 2
    assert "give both, or neither" in refused.stderr
    checkout.step("promote", **quick, model=f"models:/{NAME}/2", force=True, reason="we looked at all three answers")
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "2"
    assert str(client.get_model_version_by_alias(NAME, "previous").version) == "1"
    assert client.get_model_version(NAME, "2").tags["ragft.forced"] == "we looked at all three answers"
    checkout.step("rollback", cold=True, dataset="qasper", base=checkout.base, reason="too early")
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "1"


def test_answers_made_elsewhere_are_scored(client: MlflowClient, checkout: Checkout) -> None:
    checkout.mlflow_run("evaluate", answers=ROOT / "tests/data/answers.jsonl", judge="none", base=checkout.base)
    (run,) = runs(client, "tags.`ragft.model` = 'answers'")
    assert run.data.metrics["answer_f1/n_scored"] == 3
    assert run.data.metrics["exact_match/mean"] == 0
    assert run.data.metrics["answer_f1/mean"] == pytest.approx((0.5 + 2 / 3 + 0) / 3, abs=0.05)


def test_one_answer_that_is_too_long_for_the_judge_is_unscored(
    client: MlflowClient, checkout: Checkout, tmp_path: Path
) -> None:
    rows = [
        {"id": "short", "input": "Which?", "output": "The first.", "expected_output": "The first."},
        {"id": "endless", "input": "Which?", "output": "word " * 20_000, "expected_output": "The first."},
    ]
    answers = tmp_path / "long_answers.jsonl"
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = checkout.step(
        "evaluate", answers=answers, base=checkout.base, estimator="expected_no_rationale", criteria="accuracy"
    )
    assert "accuracy: 1 of 2 rows are unscored, too long for the judge's context window: endless" in done.stdout
    (run,) = [run for run in runs(client, "tags.`ragft.model` = 'answers'") if "long_answers" in run.info.run_name]
    assert run.data.metrics["answer_f1/n_scored"] == 2
    assert run.data.metrics["geval_accuracy/n_unscored"] >= 1


def test_nothing_was_written_outside_the_home(client: MlflowClient) -> None:
    assert runs(client, "")
    assert not (ROOT / "mlruns").exists()
    assert not (ROOT / "mlflow.db").exists()


def test_no_secret_of_the_environment_is_stored(client: MlflowClient, checkout: Checkout) -> None:
    assert os.environ.get("RAGFT_DSN") is None
    stored = [run.data.params | run.data.tags for run in runs(client, "")]
    assert stored
    assert not any("password" in f"{key}{value}".lower() for pairs in stored for key, value in pairs.items())
