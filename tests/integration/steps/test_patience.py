"""A locked MLflow store in sqlite: waited for, longer than MLflow does, and then told in a sentence."""

import os
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text

from entrypoints.steps.shared import patience
from tests.integration.conftest import ROOT

MLFLOW_WAITS = 20
SECONDS_LOCKED = MLFLOW_WAITS + 4


@pytest.fixture
def run_id(patient: None, tmp_path: Path) -> str:
    """A run in a store of its own."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = MlflowClient()
    return str(client.create_run(client.create_experiment("locked", (tmp_path / "artifacts").as_uri())).info.run_id)


def locked(path: Path) -> sqlite3.Connection:
    """Somebody else's long write."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def test_a_store_that_is_locked_for_a_while_loses_no_metric(run_id: str, tmp_path: Path) -> None:
    somebody = locked(tmp_path / "mlflow.db")
    ends = threading.Timer(SECONDS_LOCKED, somebody.close)
    ends.start()
    MlflowClient().log_metric(run_id, "accuracy", 4.5)
    assert not ends.is_alive()
    assert MlflowClient().get_run(run_id).data.metrics == {"accuracy": 4.5}


def test_who_has_lost_patience_waits_no_longer(run_id: str, tmp_path: Path) -> None:
    patience.lose_patience()
    somebody = locked(tmp_path / "mlflow.db")
    with pytest.raises(patience.Outage) as caught:
        MlflowClient().log_metric(run_id, "accuracy", 4.5)
    somebody.close()
    assert patience.is_out_of_reach(caught.value)
    assert "database is locked" in str(patience.explained(caught.value))


def test_after_a_test_that_lost_patience_mlflow_waits_again(tmp_path: Path) -> None:
    store = SqlAlchemyStore(f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path))  # type: ignore[no-untyped-call]
    with store.ManagedSessionMaker() as session:
        assert session.execute(text("PRAGMA busy_timeout")).scalar() == MLFLOW_WAITS * 1000
    assert not set(patience._TRIES) & set(os.environ)


def test_what_the_store_answers_is_no_outage(run_id: str) -> None:
    with pytest.raises(patience.Outage) as caught:
        MlflowClient().get_run("of nobody")
    assert not patience.is_out_of_reach(caught.value)


def test_a_password_in_the_address_is_not_told() -> None:
    mlflow.set_tracking_uri("http://me:s3cr3t@127.0.0.1:1")
    try:
        said = str(patience.explained(OSError("request to http://me:s3cr3t@127.0.0.1:1/api failed")))
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert "http://127.0.0.1:1" in said
    assert "s3cr3t" not in said


def test_a_step_whose_store_stays_locked_ends_in_a_sentence_and_can_be_run_again(tmp_path: Path) -> None:
    code = (
        "from entrypoints.steps.shared import patience\npatience.SECONDS_TO_WAIT = 1\n"
        "from entrypoints.prepare import command\ncommand()"
    )
    words = [sys.executable, "-c", code, "--dataset", "qasper", "--path", str(ROOT / "tests/data/qasper")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "RAGFT_"))}
    environment = {**kept, "RAGFT_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    made = run(sys.executable, "-m", "entrypoints.setup")
    assert made.returncode == 0, made.stderr
    somebody = locked(tmp_path / "mlflow.db")
    refused = run(*words)
    somebody.close()
    assert refused.returncode == 3, refused.stderr
    assert re.search(r"MLflow's store at sqlite:\S+ could not be used.*database is locked", refused.stderr)
    assert "Traceback" not in refused.stderr
    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert "prepared qasper" in again.stdout
