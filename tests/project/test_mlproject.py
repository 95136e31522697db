"""MLproject, conda.yaml and pyproject say what the code says."""

import dataclasses
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.projects.utils import load_project

from entrypoints.mlproject import MLPROJECT, text
from ragft.params.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
TYPE_NAMES = {str: "string", int: "int", float: "float", bool: "string"}


@pytest.fixture(scope="module")
def project() -> Any:  # noqa: ANN401 - MLflow's own type
    return load_project(str(ROOT))  # type: ignore[no-untyped-call]


def test_the_file_is_what_the_parameters_make_of_it() -> None:
    assert MLPROJECT.read_text(encoding="utf-8") == text(), "MLproject is not up to date: run make mlproject"


def test_every_step_stands_on_both_sides(project: Any) -> None:  # noqa: ANN401
    assert set(project._entry_points) == set(STEPS)
    assert len(STEPS) >= 3


@pytest.mark.parametrize("step", STEPS)
def test_the_command_is_what_the_dataclass_makes_of_its_defaults(project: Any, step: str) -> None:  # noqa: ANN401
    words = shlex.split(project.get_entry_point(step).compute_command({}, None))
    assert words[:3] == ["python", "-m", f"entrypoints.{step}"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    expected = {f"--{spec.name}": str(spec.default) for spec in dataclasses.fields(STEPS[step])}
    assert given == expected
    assert len(expected) > 1


@pytest.mark.parametrize("step", STEPS)
def test_types_are_the_dataclass_types(step: str) -> None:
    written = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"][step]["parameters"]
    expected = {spec.name: TYPE_NAMES[type(spec.default)] for spec in dataclasses.fields(STEPS[step])}
    assert {name: entry["type"] for name, entry in written.items()} == expected


def test_every_step_has_its_module() -> None:
    for step in STEPS:
        assert (ROOT / "entrypoints" / f"{step}.py").is_file()
        assert (ROOT / "entrypoints" / "steps" / f"{step}.py").is_file()


def test_conda_and_pyproject_pin_the_same_versions() -> None:
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert pip == pinned
    assert len(pinned) > 10
    assert all("==" in requirement for requirement in pinned)
