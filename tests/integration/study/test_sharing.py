"""One study by several processes that share a Postgres and an MLflow store; one is killed, one only sleeps."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from ragft.store.claims import claims_on
from ragft.store.connection import Store
from tests.end_to_end.test_study import table
from tests.integration.conftest import StartScript

CELLS = 8
SEEDS = "0,1,2,3"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(start_script: StartScript, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """A function that starts the same study in one more process."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    SqlAlchemyStore(uri, (tmp_path / "artifacts").as_uri())  # type: ignore[no-untyped-call]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    (tmp_path / "home").mkdir()

    def begin(seconds: float = 0.3, lease: float = 30, code: str = "1", diverging: str = "none") -> Any:  # noqa: ANN401
        return start_script("share_study", dsn, tmp_path / "home", seconds, lease, SEEDS, code, diverging)

    return begin


def first_cell(process: "subprocess.Popen[str]") -> str:
    """Wait until a process is at a cell, and return its name."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("begins "):
            return line.removeprefix("begins ").strip()
    raise AssertionError(process.communicate()[1])


def begun(said: str) -> list[str]:
    return [line.removeprefix("begins ") for line in said.splitlines() if line.startswith("begins ")]


def ended(process: "subprocess.Popen[str]", code: int = 0) -> str:
    said, errors = process.communicate(timeout=120)
    assert process.returncode == code, f"{said}\n{errors}"
    return said


def attempts(store: Store) -> list[int]:
    with store.transaction() as cursor:
        tasks = [task for (task,) in cursor.execute("SELECT task FROM claims ORDER BY task")]
    return [each.attempts for each in claims_on(store, tasks)]


def exported(process: "subprocess.Popen[str]", home: Path) -> Any:  # noqa: ANN401
    return table(home / f"{process.pid}.json")


def test_processes_share_the_cells_and_each_ends_with_the_whole_study(
    start: Start, store: Store, tmp_path: Path
) -> None:
    processes = [start() for _ in range(3)]
    said = [ended(process) for process in processes]
    shared = [begun(each) for each in said]
    assert sorted(name for each in shared for name in each) == sorted({name for each in shared for name in each})
    assert sum(map(len, shared)) == CELLS
    assert attempts(store) == [1] * CELLS
    home = tmp_path / "home"
    assert exported(processes[0], home) == exported(processes[1], home) == exported(processes[2], home)
    at_work = [each for each in shared if each]
    assert len(at_work) > 1, "one process was faster than the others started"
    for each in said:
        assert f"cells computed by {len(at_work)} processes: " in each
    lines = [line for line in said[0].splitlines() if ", by " in line]
    before = re.search(rf"{CELLS} cells, of which (\d) are done", said[0])
    assert before is not None
    assert len(lines) + int(before[1]) == CELLS - len(shared[0]), "what others did is told too"
    # The same as one process alone makes of it, which computes nothing any more.
    again = start()
    assert f"{CELLS} cells, of which {CELLS} are done" in ended(again)
    assert exported(again, home) == exported(processes[0], home)


def test_the_cell_of_a_killed_process_is_taken_over(start: Start, store: Store, tmp_path: Path) -> None:
    killed, other = start(seconds=3), start()
    cell = first_cell(killed)
    killed.send_signal(signal.SIGKILL)
    said = ended(other)
    assert cell in begun(said)
    assert f" is gone: {cell} is taken over" in said
    assert sorted(attempts(store)) == [1] * (CELLS - 1) + [2]
    # The lease of 30 s had not run out: that its connection had ended was enough.
    assert json.loads((tmp_path / "home" / f"{other.pid}.json").read_text())["cells"]


def test_a_process_that_slept_writes_nothing_and_goes_on_with_other_cells(
    start: Start, store: Store, tmp_path: Path
) -> None:
    asleep = start(seconds=0.5, lease=1)
    cell = first_cell(asleep)
    os.kill(asleep.pid, signal.SIGSTOP)
    other = start(lease=1)
    said = ended(other)
    assert len(begun(said)) == CELLS
    assert cell in begun(said)
    os.kill(asleep.pid, signal.SIGCONT)
    late = ended(asleep)
    assert f"took over {cell}: this process was not heard of for 1 s" in late
    assert begun(late) == []
    home = tmp_path / "home"
    assert exported(asleep, home) == exported(other, home)
    with store.transaction() as cursor:
        assert cursor.execute("SELECT count(*), count(DISTINCT owner) FROM claims").fetchone() == (CELLS, 1)


def test_a_cell_that_diverges_is_told_and_the_others_are_computed(start: Start, store: Store) -> None:
    process = start(seconds=0, diverging="2")
    said = ended(process, code=2)
    assert len(begun(said)) == CELLS
    assert "error 2: 2 of 8 cells cannot be computed; the others are kept" in said
    assert said.count("the loss became nan with seed 2") == 4, "told when it happens, and at the end"
    # The same command tries them once more, and nothing else.
    again = ended(start(seconds=0))
    assert f"{CELLS} cells, of which {CELLS - 2} are done" in again
    assert len(begun(again)) == 2


def test_other_code_may_not_join(start: Start) -> None:
    first_cell(start(seconds=60))
    said = ended(start(code="2.13.1"), code=3)
    assert "computes this study with other code: torch 1 there, 2.13.1 here" in said
    assert not begun(said)
