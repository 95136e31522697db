"""A registry on a real MLflow store in sqlite, with a model code that needs no base."""

import dataclasses
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from ragft.models.adapter_folder import adapter_identity
from ragft.models.fingerprint import write_manifest
from registry.store import Registry
from registry.versions import Lineage

MODEL_CODE = """
import json
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import set_model


class Echo(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.base = json.loads(Path(context.artifacts["serving"]).read_text())["base"]

    def predict(self, context, model_input, params=None):
        return [{"answer": f"{self.base}: {text}", "sources": []} for text in model_input["question"]]


set_model(Echo())
"""
BASE = Lineage(kind="base", base="pocket", base_fingerprint="f" * 64, data="telecom", data_sha256="d" * 64, data_seed=0)
FILES = {"adapter_model.safetensors": b"weights", "adapter_config.json": b"{}"}
IDENTITY = adapter_identity({name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()})
ADAPTER = dataclasses.replace(BASE, kind="adapter", adapter_sha256=IDENTITY, method="lora", format="raft", samples=20)


@pytest.fixture
def registry(tmp_path: Path, empty_database: Path) -> Iterator[Registry]:
    code = tmp_path / "model.py"
    code.write_text(MODEL_CODE)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = mlflow.create_experiment("registry", artifact_location=(tmp_path / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        yield Registry(model_code=code, requirements=["mlflow"])
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter")


def write_adapter(folder: Path) -> Path:
    """Write the folder of the adapter whose identity is `IDENTITY`."""
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    write_manifest(folder)
    return folder
