"""The step rollback beside others: it waits for whoever moves the champion, and goes back from what was seen."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from entrypoints.steps import rollback
from entrypoints.steps.shared.champion import champion_moves
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import PrerequisiteError
from ragft.params.versions import RollbackParams
from ragft.store.connection import Store
from ragft.store.kill_points import KILL_POINTS
from registry import promotion as moves
from registry.history import short
from registry.promotion import Mended, Promotion
from registry.store import Registry
from registry.terms import CHAMPIONS
from tests.integration.registry.conftest import ADAPTER
from tests.integration.registry.test_promotion import BACK, NAME, aliases, promote, promotion
from tests.unit.test_verifying import AS, TOLD

__all__ = ["promotion"]
ASKED = RollbackParams(name="telecom", base="pocket")


@pytest.fixture
def here(store: Store, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace beside the registry, whose versions' base is taken to be on this machine."""
    monkeypatch.setattr(rollback, "require_base_of", lambda _: None)
    return Workspace(tmp_path, store, said.append)


@pytest.fixture
def promoted(promotion: Promotion) -> Promotion:
    """Three champions, each promoted over the one before."""
    promote(promotion, 2)
    promote(promotion, 3)
    return promotion


def test_two_people_who_roll_back_at_once_go_back_one_champion(
    promoted: Promotion, here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def after_another(name: str, workspace: Workspace) -> Iterator[tuple[Promotion, Mended | None]]:
        """Let another person's rollback have the lock first."""
        promoted.rollback(BACK)
        with champion_moves(name, workspace) as held:
            yield held

    with monkeypatch.context() as patch:
        patch.setattr(rollback, "champion_moves", after_another)
        with pytest.raises(PrerequisiteError, match=f"somebody moved champion of {NAME} from version 3 to 2 meanwhile"):
            rollback.run(ASKED, here)
    assert aliases() == {"champion": 2, "previous": 1}
    assert rollback.run(ASKED, here).number == 1


def test_it_says_by_what_answers_are_checked_from_now_on(
    promotion: Promotion, registry: Registry, here: Workspace, said: list[str]
) -> None:
    second = registry.get(f"models:/{NAME}/2")
    of_it = dataclasses.replace(TOLD, base_fingerprint=ADAPTER.base_fingerprint, adapter_sha256=ADAPTER.adapter_sha256)
    registry.keep_promise(second, of_it)
    promote(promotion, 2, served_as=AS.to_json())
    promote(promotion, 3)
    later = dataclasses.replace(of_it, served_as=dataclasses.replace(AS, top_k=4))
    registry.keep_promise(second, later)
    rollback.run(ASKED, here)
    name = short(later.to_json())
    assert said[1].startswith(f"what was promised of {second.uri} since then is put aside")
    assert f"(tag ragft.promise_{name})" in said[1]
    assert said[2] == f"its answers are checked before they leave: {of_it.words}"

    said.clear()
    before = f"1 > 2 as {short(AS.to_json())} > 3"  # as it was written before promises were noted
    MlflowClient().set_registered_model_tag(NAME, CHAMPIONS, before)
    MlflowClient().set_registered_model_alias(NAME, "champion", "3")
    registry.keep_promise(second, later)
    rollback.run(ASKED, here)
    assert said[-3:-1] == [
        "what was promised of its answers in its earlier time was not noted: what is promised now stays",
        "its promise is not applied as it is served, so nothing is checked: it was made for other conditions: "
        "top_k 3 (was 4)",
    ]
    rollback.run(ASKED, here)
    assert said[-2].endswith("was not noted: nothing is now, so nothing is checked")


class KilledError(Exception):
    """Stands for the kill."""


@pytest.mark.parametrize(("to", "champion"), [(0, 2), (1, 1), (2, 2)])
def test_an_interrupted_rollback_counts_only_as_the_one_that_was_asked(
    promoted: Promotion, here: Workspace, said: list[str], monkeypatch: pytest.MonkeyPatch, to: int, champion: int
) -> None:
    def killed(name: str) -> None:
        assert name in KILL_POINTS
        if name == "promote.recorded":
            raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(moves, "kill_point", killed)
        promoted.rollback(BACK)
    assert rollback.run(RollbackParams(name="telecom", base="pocket", to=to), here).number == champion
    assert aliases()["champion"] == champion
    assert said[0] == f"a rollback was cut short and is completed: champion of {NAME} moved from version 3 to 2"
