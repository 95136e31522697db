"""A real store and a real MLflow database, for studies and tunes whose results are imagined."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from entrypoints.steps.shared.workspace import Workspace
from ragft.store.connection import Store


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def workspace(
    store: Store, tmp_path: Path, empty_database: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = mlflow.create_experiment("ragft", artifact_location=(tmp_path / "artifacts").as_uri())
    # MLflow remembers the experiment of the process in both places.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", experiment)
    yield Workspace(home=tmp_path, store=store, say=said.append)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
