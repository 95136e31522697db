"""The registry client against a real MLflow store on sqlite."""

import dataclasses
from pathlib import Path
from typing import Any

import mlflow
import pytest
from markdown_it import MarkdownIt
from mlflow import MlflowClient

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.adapter_folder import identity_of
from registry.store import Registry
from tests.integration.registry.conftest import ADAPTER, BASE, IDENTITY


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
    assert identity_of(folder) == IDENTITY


def test_the_same_adapter_is_not_registered_twice(registry: Registry, adapter: Path) -> None:
    registry.register_base(BASE, {})
    second = registry.register_adapter(ADAPTER, {}, adapter)
    registry.register_adapter(dataclasses.replace(ADAPTER, adapter_sha256="b" * 64), {}, adapter)
    again = registry.register_adapter(ADAPTER, {}, adapter)
    assert again.number == second.number == 2
    assert again.aliases == ("challenger",)


def test_a_version_loads_without_pickle(registry: Registry, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    registry.register_base(BASE, {"base": "pocket"})
    version = registry.register_adapter(ADAPTER, {"base": "pocket"}, adapter)
    loaded = mlflow.pyfunc.load_model(version.uri)
    assert loaded.predict([{"question": "why?"}]) == [{"answer": "pocket: why?", "sources": []}]


@pytest.mark.parametrize("change", [{"data_sha256": "e" * 64}, {"data_seed": 1}, {"base_fingerprint": "0" * 64}])
def test_other_data_or_another_base_under_the_same_name_is_refused(
    registry: Registry, adapter: Path, change: dict[str, Any]
) -> None:
    registry.register_base(BASE, {})
    expected = f"belongs to {next(iter(change))}"
    with pytest.raises(ConfigError, match=expected):
        registry.register_base(dataclasses.replace(BASE, **change), {})
    with pytest.raises(ConfigError, match=expected):
        registry.register_adapter(dataclasses.replace(ADAPTER, **change), {}, adapter)
    assert len(MlflowClient().search_model_versions("name='ragft-telecom-pocket'")) == 1


def test_an_adapter_needs_its_base(registry: Registry, adapter: Path) -> None:
    with pytest.raises(PrerequisiteError, match="register the base first"):
        registry.register_adapter(ADAPTER, {}, adapter)


def test_an_unknown_version_is_named(registry: Registry) -> None:
    with pytest.raises(
        PrerequisiteError, match=r"sqlite:.*: no model is registered there: finetune registers one, or "
    ):
        registry.get("models:/ragft-telecom-pocket/2")
    registry.register_base(BASE, {})
    with pytest.raises(
        PrerequisiteError,
        match=r"models:/ragft-telecom-pocket@challenger is not in the registry at sqlite:.*: version 1 is champion "
        r"already, and there are the versions 1: name one, models:/ragft-telecom-pocket/<number>$",
    ):
        registry.get("models:/ragft-telecom-pocket@challenger")
    with pytest.raises(PrerequisiteError, match=r"did you mean ragft-telecom-pocket\? there are ragft-telecom-pocket$"):
        registry.get("models:/ragft-telekom-pocket@challenger")
    with pytest.raises(ConfigError, match="expected base, models:/"):
        registry.get("ragft-telecom-pocket")


@pytest.mark.parametrize(
    "name", ["[x](javascript:alert(1))", "<img src=x onerror=alert(1)>", "**x**\n\n# title", "http://evil.example"]
)
def test_hostile_names_are_text_in_the_descriptions(registry: Registry, adapter: Path, name: str) -> None:
    hostile = dataclasses.replace(BASE, base=name, data=name)
    base = registry.register_base(hostile, {})
    trained = dataclasses.replace(ADAPTER, base=name, data=name, method=name, format=name)
    version = registry.register_adapter(trained, {}, adapter)
    model = registry.find_model(base.name)
    client = MlflowClient()
    made = [client.get_model_version(base.name, str(number)).description for number in (base.number, version.number)]
    for text in (*made, model.description if model else ""):
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text or "")
        kinds = {each.type for token in tokens for each in (token, *(token.children or ()))}
        assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}
        assert name.split(maxsplit=1)[0] in "".join(each.content for token in tokens for each in (token.children or ()))


def test_a_run_in_the_place_of_a_version_points_to_what_it_registered(registry: Registry, adapter: Path) -> None:
    registry.register_base(BASE, {})
    version = registry.register_adapter(ADAPTER, {}, adapter)
    for text in (version.run_id, f"runs:/{version.run_id}", f"runs:/{version.run_id}/model"):
        with pytest.raises(ConfigError) as caught:
            registry.get(text)
        assert f"which is a run that registered models:/ragft-telecom-pocket/1 and {version.uri}" in str(caught.value)
    with pytest.raises(ConfigError, match="which is a run that registered no version"):
        registry.get("0" * 32)
    with pytest.raises(ConfigError, match=r"model is 'newest', expected base, models:/<name>@<alias>"):
        registry.get("newest")
