"""A base that is pinned to a revision judges at that revision, and so does the base of a version."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from entrypoints.steps.shared.judges import open_judge
from entrypoints.steps.shared.model_under_test import Subject, settle
from entrypoints.steps.shared.weights import load_base_model
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError
from ragft.judging.backend import LocalJudge
from ragft.models.generation import Generator
from ragft.params.scoring import EvaluateParams
from ragft.store.connection import Store
from registry.versions import Lineage, Version
from tests.tiny_model import make_tiny_model, tiny_base  # noqa: F401 - a fixture

MAIN, PINNED = "a" * 40, "b" * 40
NAME = "someone/tiny"


@pytest.fixture
def hub(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The hub's cache with two revisions of a model, of other weights each."""
    repo = tmp_path / "cache" / f"models--{NAME.replace('/', '--')}"
    shutil.copytree(tiny_base, repo / "snapshots" / MAIN)
    make_tiny_model(repo / "snapshots" / PINNED, seed=7)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(MAIN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def judge_of(params: EvaluateParams, *, quantised: bool, folder: Path) -> str:
    subject = replace(load_base_model(NAME, PINNED, "none"), quantization="int8" if quantised else "none")
    # A judge in this process asks the workspace for nothing.
    with ExitStack() as stack:
        judge = open_judge(params, Subject(subject, None, NAME), Workspace(folder, cast(Store, None), print), stack)
    assert judge is not None
    return judge.identity


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("quantised", [True, False])
def test_the_base_judges_at_its_own_revision(tmp_path: Path, quantised: bool) -> None:
    params = EvaluateParams(base=NAME, revision=PINNED)
    expected = LocalJudge(Generator(load_base_model(NAME, PINNED, "none"))).identity
    assert judge_of(params, quantised=quantised, folder=tmp_path) == expected
    assert LocalJudge(Generator(load_base_model(NAME, "", "none"))).identity != expected


@pytest.mark.usefixtures("hub")
def test_another_model_judges_at_its_main_branch(tmp_path: Path) -> None:
    params = EvaluateParams(base="pocket", revision=PINNED, judge=NAME)
    expected = LocalJudge(Generator(load_base_model(NAME, MAIN, "none"))).identity
    assert judge_of(params, quantised=False, folder=tmp_path) == expected


@pytest.mark.usefixtures("hub")
def test_a_version_brings_the_revision_of_its_base() -> None:
    version = Version("ragft-x-tiny", 2, "run", (), Lineage("adapter", NAME, "f", "x", "d", 0, revision=PINNED))
    settled = settle(EvaluateParams(model=version.uri), version)
    assert (settled.base, settled.revision) == (NAME, PINNED)
    assert settle(EvaluateParams(model=version.uri, revision=PINNED), version).revision == PINNED
    with pytest.raises(ConfigError, match=f"revision is main, but .* belongs to {NAME} at revision {PINNED}"):
        settle(EvaluateParams(model=version.uri, revision="main"), version)
