"""Who may move a champion: nobody whose lock keeps nobody else away."""

from pathlib import Path

import pytest

from entrypoints.steps.shared.champion import is_local, require_shared_lock
from entrypoints.steps.shared.workspace import Workspace, say
from ragft.errors import PrerequisiteError
from ragft.store.connection import Store

REMOTE = (
    "http://mlflow.example:5000",
    "https://person:secret@mlflow.example",
    "databricks",
    "databricks://profile",
    "databricks-uc",
    "postgresql://person:secret@db.example/mlflow",
)


@pytest.mark.parametrize("uri", REMOTE)
def test_a_shared_registry_needs_a_shared_lock(uri: str, store: Store, tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="set RAGFT_DSN to one Postgres") as refused:
        require_shared_lock(uri, Workspace(tmp_path, store, say))
    assert "secret" not in str(refused.value)
    require_shared_lock(uri, Workspace(tmp_path, store, say, shared=True))


@pytest.mark.parametrize("uri", ["sqlite:////home/person/.ragft/mlflow.db", "/home/person/mlruns", "file:///mlruns"])
def test_a_registry_of_this_machine_needs_none(uri: str, store: Store, tmp_path: Path) -> None:
    assert is_local(uri)
    require_shared_lock(uri, Workspace(tmp_path, store, say))
