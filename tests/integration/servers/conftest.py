"""A registry behind a real MLflow server on a real Postgres."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from registry.store import Registry
from tests.integration.registry.conftest import MODEL_CODE, write_adapter
from tests.integration.registry.test_promotion import NAME
from tests.mlflow_server import drop_database, mlflow_server, new_database

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server that lives as long as the session."""
    with mlflow_server(new_database(postgres, "mlflow"), tmp_path_factory.mktemp("mlflow_server")) as address:
        yield address
    drop_database(postgres, "mlflow")


@pytest.fixture
def registry(server: str, tmp_path: Path) -> Iterator[Registry]:
    """The same as the one on sqlite, empty again for each test."""
    code = tmp_path / "model.py"
    code.write_text(MODEL_CODE)
    mlflow.set_tracking_uri(server)
    experiment = mlflow.create_experiment(f"registry {next(_numbers)}")
    with mlflow.start_run(experiment_id=experiment):
        found = Registry(model_code=code, requirements=["mlflow"])
        yield found
    if found.find_model(NAME):
        MlflowClient().delete_registered_model(NAME)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter's folder."""
    return write_adapter(tmp_path / "adapter")
