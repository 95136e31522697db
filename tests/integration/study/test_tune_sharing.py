"""One tune by several processes that share a Postgres and an MLflow store; one is killed with -9."""

import dataclasses
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from entrypoints.steps import tune
from entrypoints.steps.search.show import rows
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.searches import TuneParams
from ragft.store.connection import Store
from ragft.store.server import open_store
from tests.integration.conftest import StartScript
from tests.integration.study.imagined_trials import Imagined

# MLflow's own look at the columns of a table.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included")
SEARCHED = ("epochs", "learning_rate", "lora_rank")
TRIALS = 6
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(
    start_script: StartScript, dsn: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Start:
    """A function that starts the same tune in one more process; ``together`` of them wait for one another."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    (tmp_path / "home").mkdir()

    def begin(seconds: float = 0.3, together: int = 1) -> Any:  # noqa: ANN401
        return start_script("share_tune", dsn, tmp_path / "home", seconds, TRIALS, together)

    return begin


def begun(said: str) -> list[int]:
    return [int(number) for number in re.findall(r"^begins (\d+)$", said, flags=re.MULTILINE)]


def ended(process: "subprocess.Popen[str]") -> str:
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, f"{said}\n{errors}"
    return said


def table(process: "subprocess.Popen[str]", home: Path) -> Any:  # noqa: ANN401
    """What the process ended with: the rows of the table, and the verdict."""
    return json.loads((home / f"{process.pid}.json").read_text())


def tried(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was tried in which trial, with which value."""
    return [{name: row[name] for name in ("trial", "dev_loss", *SEARCHED)} for row in rows]


def attempts(store: Store) -> list[int]:
    with store.transaction() as cursor:
        return [number for (number,) in cursor.execute("SELECT attempts FROM claims ORDER BY name")]


def test_processes_share_the_trials_and_each_ends_with_the_same_table(
    start: Start, store: Store, workspace: Workspace, said: list[str], tmp_path: Path
) -> None:
    processes = [start(together=2) for _ in range(2)]
    told = [ended(process) for process in processes]
    shared = [begun(each) for each in told]
    assert sorted(number for each in shared for number in each) == list(range(TRIALS)), "each trial once"
    assert all(shared), "both took part"
    assert attempts(store) == [1] * (TRIALS + 1)
    first, second = (table(process, tmp_path / "home") for process in processes)
    assert first == second
    assert len({tuple(row[name] for name in SEARCHED) for row in first[0]}) == TRIALS, "all different"
    assert {row["worker"].split(":")[1] for row in first[0]} == {str(process.pid) for process in processes}
    assert "".join(told).count("compares ") == 1, "the best is compared once"
    # The finished tune asks nothing of its runner, and shows what they show.
    found = tune.run(TuneParams(trials=TRIALS), workspace, lambda _, __: pytest.fail("something is computed"))
    assert [list(rows(found.tune, found.trials)), found.verdict] == first
    shown = [[line for line in lines if "  done " in line] for lines in (said, *(each.splitlines() for each in told))]
    assert shown[0] == shown[1] == shown[2]
    assert len(shown[0]) == TRIALS


def test_a_tune_killed_with_9_goes_on_with_the_same_trial_and_ends_as_if_it_had_not_been(
    start: Start, store: Store, new_schema: Callable[[], str], workspace: Workspace, tmp_path: Path
) -> None:
    killed = start(1)
    assert killed.stdout is not None
    assert "begins 3\n" in iter(killed.stdout.readline, "")
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    with store.transaction() as cursor:
        asked = cursor.execute("SELECT parameters FROM tune_trials WHERE number = 3 AND result IS NULL").fetchone()
    goes_on = start(0)
    said = ended(goes_on)
    assert "6 trials, of which 3 are done" in said
    assert begun(said) == [3, 4, 5]
    assert " is gone: trial 3, " in said
    assert attempts(store) == [1, 1, 1, 1, 2, 1, 1], "the comparison, then the trials by number"
    found = tried(table(goes_on, tmp_path / "home")[0])
    assert asked == ({name: found[3][name] for name in SEARCHED},)
    with open_store(new_schema(), tmp_path) as other:
        whole = tune.run(TuneParams(trials=TRIALS), dataclasses.replace(workspace, store=other), Imagined)
    assert found == tried(rows(whole.tune, whole.trials))
