"""An MLflow server that goes away in the middle of a step and comes back at the same address."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest
from mlflow import MlflowClient

from entrypoints.steps.shared import patience
from tests.mlflow_server import drop_database, mlflow_server, new_database

SECONDS_AWAY = 6


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    yield new_database(postgres, "restarted")
    drop_database(postgres, "restarted")


@pytest.mark.usefixtures("patient")
def test_what_is_logged_while_the_server_is_away_is_there_when_it_is_back(database: str, tmp_path: Path) -> None:
    with mlflow_server(database, tmp_path) as address:
        mlflow.set_tracking_uri(address)
        client = MlflowClient()
        run = client.create_run(client.create_experiment("restart")).info.run_id
        client.log_metric(run, "before", 1.0)

    port = urlsplit(address).port
    assert port is not None
    back, done = ExitStack(), threading.Event()

    def come_back() -> None:
        if not done.wait(SECONDS_AWAY):
            back.enter_context(mlflow_server(database, tmp_path, port))

    server = threading.Thread(target=come_back)
    with back:
        server.start()
        try:
            client.log_metric(run, "during", 2.0)  # nobody listens at the address when this is asked
            client.set_terminated(run)
            found = client.get_run(run)
        finally:
            done.set()
            server.join()
        assert found.data.metrics == {"before": 1.0, "during": 2.0}
        assert found.info.status == "FINISHED"


@pytest.mark.usefixtures("patient")
def test_a_server_that_stays_away_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(patience.Outage) as caught:
        MlflowClient().log_metric("0" * 32, "accuracy", 4.5)
    assert patience.is_out_of_reach(caught.value)
    said = str(patience.explained(caught.value))
    assert "http://127.0.0.1:9 could not be used" in said
    assert "run the same command again" in said
