"""The step rollback beside others: it waits for whoever moves the champion, and goes back from what was seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from entrypoints.steps import rollback
from entrypoints.steps.shared.champion import champion_moves
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import PrerequisiteError
from ragft.params.versions import RollbackParams
from ragft.store.connection import Store
from ragft.store.kill_points import KILL_POINTS
from registry import promotion as moves
from registry.promotion import Mended, Promotion
from tests.integration.registry.test_promotion import BACK, NAME, aliases, promote, promotion

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
