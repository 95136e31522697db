"""docker/compose.yaml as processes: steps started from another directory, MLflow over HTTP, one shared Postgres."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run

from tests.mlflow_server import drop_database, new_database
from tests.tiny_model import make_tiny_model

ROOT = Path(__file__).resolve().parents[3]
PAPERS = ROOT / "tests" / "data" / "qasper"


@dataclass(frozen=True)
class Elsewhere:
    """A machine of its own: a directory that is no checkout, a home, and the addresses of the servers."""

    folder: Path
    server: str
    dsn: str

    def run(self, *words: str, dsn: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command there; ``dsn`` "" takes the shared Postgres away."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RAGFT_"))}
        environment = inherited | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": self.server,
            "MLFLOW_EXPERIMENT_NAME": "elsewhere",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "RAGFT_HOME": str(self.folder / "home"),
            "RAGFT_DSN": self.dsn if dsn is None else dsn,
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )


@pytest.fixture
def elsewhere(server: str, postgres: str, tmp_path: Path) -> Iterator[Elsewhere]:
    yield Elsewhere(tmp_path, server, new_database(postgres, "elsewhere"))
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    drop_database(postgres, "elsewhere")


def test_a_study_from_another_directory_over_http_with_a_shared_postgres(elsewhere: Elsewhere) -> None:
    base = make_tiny_model(elsewhere.folder / "tiny")
    given = {"dataset": "qasper", "path": PAPERS, "base": base, "context": "retrieved", "judge": "none"}
    given |= {"max_new_tokens": 8, "questions": 2, "traces": "True"}
    words = [word for name, value in given.items() for word in ("-P", f"{name}={value}")]
    done = elsewhere.run("mlflow", "run", str(ROOT), "-e", "evaluate", "--env-manager", "local", *words)
    assert done.returncode == 0, done.stdout + done.stderr

    mlflow.set_tracking_uri(elsewhere.server)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("elsewhere")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    (evaluated,) = [run for run in runs if run.data.tags["ragft.step"] == "evaluate"]
    assert evaluated.data.metrics["n_questions"] == 2
    assert len(mlflow.artifacts.load_dict(f"runs:/{evaluated.info.run_id}/rows.json")["data"]) == 2
    champion = client.get_model_version_by_alias("ragft-qasper-tiny", "champion")
    assert champion.tags["ragft.kind"] == "base"
    check_the_models_page(
        experiment.experiment_id, evaluated, client.get_logged_model(str(champion.source).removeprefix("models:/"))
    )
    assert not (elsewhere.folder / "home" / "postgres").exists()
    assert {path.name for path in elsewhere.folder.iterdir()} == {"home", "tiny"}

    promote = (sys.executable, "-m", "entrypoints.promote", "--dataset", "qasper", "--base", str(base))
    refused = elsewhere.run(*promote, dsn="")
    assert refused.returncode == 3, refused.stderr
    assert "the registry at http://127.0.0.1 is shared, and the Postgres under" in refused.stderr
    allowed = elsewhere.run(*promote)
    assert allowed.returncode == 3, allowed.stderr
    assert "ragft-qasper-tiny@challenger is not in the registry" in allowed.stderr


def check_the_models_page(experiment: str, evaluated: Run, model: LoggedModel) -> None:
    """The model has every metric of its evaluation once, under the data it was measured on, its version, the traces."""
    metrics = {metric.key: metric for metric in model.metrics or ()}
    assert len(metrics) == len(model.metrics or ())
    assert {name: metric.value for name, metric in metrics.items()} == evaluated.data.metrics
    assert {metric.run_id for metric in metrics.values()} == {evaluated.info.run_id}
    assert evaluated.inputs is not None
    inputs = evaluated.inputs.dataset_inputs
    (data,) = {(metric.dataset_name, metric.dataset_digest) for metric in metrics.values()}
    assert data in {(each.dataset.name, each.dataset.digest) for each in inputs}
    assert data[0] == "qasper test retrieved"
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "ragft-qasper-tiny", "version": "1"}]
    found = MlflowClient().search_traces(
        locations=[experiment], filter_string=f"request_metadata.`mlflow.modelId` = '{model.model_id}'"
    )
    assert [[span.name for span in trace.data.spans] for trace in found] == [["answer", "retrieve", "generate"]] * 2
    assert {trace.info.request_metadata["mlflow.sourceRun"] for trace in found} == {evaluated.info.run_id}


def test_the_server_answers_to_its_own_names_alone(server: str) -> None:
    for host, expected in (("mlflow:5000", 200), ("localhost:5000", 200), ("evil.example", 403)):
        asked = urllib.request.Request(
            f"{server}/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": host}
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as response:
                found = response.status
        except urllib.error.HTTPError as error:
            found = error.code
            error.close()
        assert found == expected, host
