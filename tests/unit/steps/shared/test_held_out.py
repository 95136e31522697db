"""A version is not asked what it was trained on: its data and their split are those of its training."""

import dataclasses
from pathlib import Path
from typing import cast

import pytest

from entrypoints.steps.shared.model_under_test import require_held_out, settle
from entrypoints.steps.shared.sources import read_dataset
from entrypoints.steps.shared.workspace import Workspace, say
from ragft.data.splits import assign_splits
from ragft.errors import ConfigError
from ragft.params.scoring import EvaluateParams
from ragft.store.connection import Store
from registry.versions import Lineage, Version


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One with 200 questions in a file, and no store, since data of a file need none."""
    rows = [f'{{"question": "What is the fee of plan {n}?", "answer": "{n} euros."}}' for n in range(200)]
    (tmp_path / "own.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return Workspace(tmp_path, cast(Store, None), say)


def asked(workspace: Workspace, **changes: object) -> EvaluateParams:
    path = str(workspace.home / "own.jsonl")
    return EvaluateParams(**{"dataset": "rows", "path": path, "model": "models:/x/2", **changes})  # type: ignore[arg-type]


@pytest.fixture
def version(workspace: Workspace) -> Version:
    """An adapter of the data in the file, split with seed 1."""
    data = read_dataset(asked(workspace), workspace)
    return Version("x", 2, "run", (), Lineage("adapter", "pocket", "f", "own", data.sha256, 1))


def test_splits_of_two_seeds_share_questions(workspace: Workspace) -> None:
    data = read_dataset(asked(workspace), workspace)
    one, other = (assign_splits(data, seed=seed) for seed in (0, 1))
    assert {q.id for q in one["test"]} & {q.id for q in other["train"]}


def test_the_split_of_its_training_is_taken_where_none_is_given(workspace: Workspace, version: Version) -> None:
    assert settle(asked(workspace), version).data_seed == 1
    assert settle(asked(workspace, dataset="", path=""), version).data_seed == 1
    assert settle(asked(workspace, data_seed=2), version).data_seed == 2
    assert settle(asked(workspace, name="other"), version).data_seed == 0
    require_held_out(version, settle(asked(workspace), version), workspace)


@pytest.mark.parametrize("name", ["", "other"])
def test_another_split_of_its_data_is_refused_whatever_they_are_called(
    workspace: Workspace, version: Version, name: str
) -> None:
    params = settle(asked(workspace, data_seed=2, name=name), version)
    with pytest.raises(ConfigError, match=r"with data_sha256 \w{12} and data_seed 1, .* data_seed 2: .* data_seed=1"):
        require_held_out(version, params, workspace)


def test_data_that_changed_under_its_name_are_refused(workspace: Workspace, version: Version) -> None:
    with (workspace.home / "own.jsonl").open("a", encoding="utf-8") as file:
        file.write('\n{"question": "Is it red?", "answer": "Yes."}\n')
    params = settle(asked(workspace), version)
    sha256 = read_dataset(params, workspace).sha256
    expected = rf"{version.lineage.data_sha256[:12]} and data_seed 1, .* data_sha256 {sha256[:12]} .*-P name="
    with pytest.raises(ConfigError, match=expected):
        require_held_out(version, params, workspace)


def test_other_data_hold_nothing_of_its_training(workspace: Workspace, version: Version) -> None:
    (workspace.home / "new.jsonl").write_text('{"question": "Is it red?", "answer": "Yes."}\n', encoding="utf-8")
    params = settle(asked(workspace, path=str(workspace.home / "new.jsonl"), data_seed=3), version)
    assert (params.data_name == version.lineage.data, params.data_seed) == (False, 3)
    require_held_out(version, params, workspace)


def test_a_base_was_trained_on_nothing(workspace: Workspace, version: Version) -> None:
    base = dataclasses.replace(version, lineage=dataclasses.replace(version.lineage, kind="base"))
    params = asked(workspace, data_seed=2)
    for each in (None, base):
        require_held_out(each, params, workspace)
    with pytest.raises(ConfigError, match="may have been trained on them"):  # an adapter is refused the same
        require_held_out(version, params, workspace)
