"""kill -9 at each kill point of the registry: the next command completes a move or takes it back, and says so."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from ragft.store.kill_points import KILL_POINTS
from registry.promotion import PENDING, Promotion
from registry.store import Registry
from tests.integration.registry.conftest import BASE
from tests.integration.registry.test_promotion import NAME, PROMOTED, aliases, promotion

# Window -> what the next command says, and who is champion then; the order of the code.
AFTER = {
    "promote.noted": ("before its decision was recorded, and is taken back", 1),
    "promote.recorded": ("is completed: champion of ragft-telecom-pocket moved from version 1 to 3", 3),
    "promote.previous": ("is completed: champion of ragft-telecom-pocket moved from version 1 to 3", 3),
    "promote.champion": ("after its last step: version 3 of ragft-telecom-pocket is champion", 3),
    "promote.moved": ("after its last step: version 3 of ragft-telecom-pocket is champion", 3),
}
StartScript = Callable[..., "subprocess.Popen[str]"]
__all__ = ["promotion"]


def kill_in(kill_point: str, process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line == f"held at: {kill_point}\n":
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            return
    pytest.fail(f"the process ended without passing the kill point {kill_point}:\n{''.join(said)}")


def test_every_kill_point_of_a_move_is_walked_through() -> None:
    assert set(AFTER) == {name for name in KILL_POINTS if name.startswith("promote.")}


@pytest.mark.parametrize("kill_point", AFTER)
def test_a_killed_promotion_is_mended(
    promotion: Promotion, start_script: StartScript, dsn: str, kill_point: str
) -> None:
    kill_in(
        kill_point,
        start_script("move_champion", mlflow.get_tracking_uri(), dsn, NAME, "promote", 3, "run 1", kill_point),
    )
    assert PENDING in MlflowClient().get_registered_model(NAME).tags
    said, champion = AFTER[kill_point]
    mended = promotion.mend()
    assert mended is not None
    assert said in mended.said
    assert (mended.move, mended.version) == (("promotion", 3) if champion == 3 else (None, 0))
    expected = {"champion": 3, "previous": 1} if champion == 3 else {"champion": 1, "challenger": 3}
    assert aliases() == expected
    recorded = MlflowClient().get_model_version(NAME, "3").tags.get("ragft.decision")
    assert recorded == ("promote" if champion == 3 else None)
    assert promotion.mend() is None
    assert PENDING not in MlflowClient().get_registered_model(NAME).tags


def test_a_killed_rollback_is_completed_and_the_lock_is_free(
    promotion: Promotion, start_script: StartScript, dsn: str
) -> None:
    asked = ("move_champion", mlflow.get_tracking_uri(), dsn, NAME)
    kill_in("promote.moved", start_script(*asked, "promote", 3, "run 1", "promote.moved"))
    kill_in("promote.previous", start_script(*asked, "rollback", 0, "run 2", "promote.previous"))
    out, err = start_script(*asked, "promote", 2, "run 3", "").communicate(timeout=120)
    assert out.splitlines() == [
        "a rollback was cut short and is completed: champion of ragft-telecom-pocket moved from version 3 to 1",
        "champion 2",
    ], err
    assert aliases() == {"champion": 2, "previous": 1}


def test_a_base_whose_registration_was_killed_becomes_champion(
    registry: Registry, start_script: StartScript, tmp_path: Path
) -> None:
    asked = (mlflow.get_tracking_uri(), tmp_path / "model.py", json.dumps(BASE.tags()))
    kill_in("register.base", start_script("register_base", *asked))
    assert aliases() == {}
    assert [version.number for version in registry.versions(NAME)] == [1]
    again = registry.register_base(BASE, {})
    assert (again.number, again.aliases) == (1, ("champion",))
    assert len(registry.versions(NAME)) == 1


def test_a_champion_that_was_moved_and_then_taken_away_is_a_persons_matter(
    promotion: Promotion, registry: Registry
) -> None:
    promotion.promote(registry.get(f"models:/{NAME}/3"), against=promotion.champion(), record=PROMOTED)
    MlflowClient().delete_registered_model_alias(NAME, "champion")
    assert registry.register_base(BASE, {}).aliases == ("previous",)
