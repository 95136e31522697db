"""Force says when it was not needed: nothing is overruled then, and nothing recorded as such."""

from pathlib import Path
from typing import cast

import pytest

from entrypoints.steps.promote import _decided
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.verdict import PromoteParams
from ragft.store.connection import Store
from registry.gate import decide
from tests.unit.registry.test_gate import comparison

PROMOTED, REJECTED = decide(comparison(superior=("accuracy",))), decide(comparison(worse=("accuracy",)))
FORCED = PromoteParams(force=True, reason="we read them")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def workspace(said: list[str]) -> Workspace:
    return Workspace(Path(), cast(Store, None), said.append)


def test_a_promotion_is_recorded_as_the_gate_gave_it(workspace: Workspace, said: list[str]) -> None:
    assert _decided(PROMOTED, FORCED, "models:/x/2", workspace) == PROMOTED
    assert said == ["force was not needed: the verdict on models:/x/2 is promote, and is recorded without the reason"]


def test_another_verdict_is_overruled_and_nothing_is_changed_without_force(
    workspace: Workspace, said: list[str]
) -> None:
    assert _decided(REJECTED, FORCED, "models:/x/2", workspace).forced == "we read them"
    assert _decided(REJECTED, PromoteParams(), "models:/x/2", workspace) == REJECTED
    assert said == []
