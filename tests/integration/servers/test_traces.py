"""Answers as traces behind a real MLflow server on Postgres, which refuses what a file takes: the same is kept."""

import mlflow

from ragft.store.connection import Store
from tests.integration import traced


def test_a_server_keeps_the_same(server: str, store: Store) -> None:
    mlflow.set_tracking_uri(server)
    traced.check(mlflow.create_experiment("traces"), store)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
