"""The registry client against a real MLflow store on sqlite."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from ragft.errors import ConfigError, PrerequisiteError
from registry.store import Registry
from registry.versions import Lineage

MODEL_CODE = """
import mlflow.pyfunc
from mlflow.models import set_model


class Echo(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.base = context.model_config["base"]

    def predict(self, context, model_input, params=None):
        return [{"answer": f"{self.base}: {text}", "sources": []} for text in model_input["question"]]


set_model(Echo())
"""
BASE = Lineage(kind="base", base="pocket", base_fingerprint="f" * 64, data="telecom", data_sha256="d" * 64, data_seed=0)
ADAPTER = dataclasses.replace(BASE, kind="adapter", adapter_sha256="a" * 64, method="lora", format="raft", samples=20)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store once; each test works on a copy, since making its tables takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", str(path.parent))  # type: ignore[no-untyped-call]
    return path


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
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_the_base_is_version_1_and_champion_and_is_registered_once(registry: Registry) -> None:
    first = registry.register_base(BASE, {"collection": "c"})
    again = registry.register_base(BASE, {"collection": "c"})
    assert (first.number, first.aliases, first.lineage) == (1, ("champion",), BASE)
    assert again == first


def test_challenger_follows_the_newest_adapter(registry: Registry, adapter: Path, tmp_path: Path) -> None:
    registry.register_base(BASE, {})
    second = registry.register_adapter(ADAPTER, {}, adapter)
    third = registry.register_adapter(dataclasses.replace(ADAPTER, seed=1), {}, adapter)
    assert (second.number, third.number) == (2, 3)
    assert registry.get("models:/ragft-telecom-pocket@challenger") == third
    assert registry.get("models:/ragft-telecom-pocket@champion").lineage.kind == "base"
    folder = registry.download_adapter(second, tmp_path)
    assert (folder / "manifest.json").read_text() == "{}"


def test_a_version_loads_without_pickle(registry: Registry, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    registry.register_base(BASE, {"base": "pocket"})
    version = registry.register_adapter(ADAPTER, {"base": "pocket"}, adapter)
    loaded = mlflow.pyfunc.load_model(version.uri)
    assert loaded.predict([{"question": "why?"}]) == [{"answer": "pocket: why?", "sources": []}]


@pytest.mark.parametrize("change", [{"data_sha256": "e" * 64}, {"data_seed": 1}, {"base_fingerprint": "0" * 64}])
def test_other_data_or_another_base_under_the_same_name_is_refused(
    registry: Registry, adapter: Path, change: dict[str, object]
) -> None:
    registry.register_base(BASE, {})
    for register in (
        lambda: registry.register_base(dataclasses.replace(BASE, **change), {}),  # type: ignore[arg-type]
        lambda: registry.register_adapter(dataclasses.replace(ADAPTER, **change), {}, adapter),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match=f"belongs to {next(iter(change))}"):
            register()
    assert len(MlflowClient().search_model_versions("name='ragft-telecom-pocket'")) == 1


def test_an_adapter_needs_its_base(registry: Registry, adapter: Path) -> None:
    with pytest.raises(PrerequisiteError, match="register the base first"):
        registry.register_adapter(ADAPTER, {}, adapter)


def test_an_unknown_version_is_named(registry: Registry) -> None:
    registry.register_base(BASE, {})
    with pytest.raises(PrerequisiteError, match="models:/ragft-telecom-pocket@challenger"):
        registry.get("models:/ragft-telecom-pocket@challenger")
    with pytest.raises(ConfigError, match="expected base, models:/"):
        registry.get("ragft-telecom-pocket")
