"""A run whose process was killed before it learnt the run's id is marked by the next command all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from entrypoints.steps.shared import unfinished


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.search_experiments()
    yield tmp_path
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


# A process of its own: one that forks beside running threads may hang.
BEGIN = """
import os, signal, sys
from pathlib import Path
import mlflow
from entrypoints.steps.shared import unfinished
from entrypoints.steps.shared.runs import step_run
from ragft.params.data import PrepareParams

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

home, function = Path(sys.argv[1]), sys.argv[2]
mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
if function == "announced":
    unfinished.announce(home)
    die()
setattr(unfinished, function, die)
with step_run(PrepareParams(), "a step", {}, home):
    pass
"""


def killed_at(function: str, home: Path) -> None:
    """Begin a step in a process that is killed when it calls a function of `unfinished`."""
    # MLflow tells its children which experiment was chosen last: here that of another test.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run([sys.executable, "-c", BEGIN, str(home), function], cwd=home, env=own, check=False)
    assert done.returncode == -signal.SIGKILL


def statuses() -> list[str]:
    return [run.info.status for run in mlflow.search_runs(search_all_experiments=True, output_format="list")]


@pytest.mark.parametrize("function", ["begin", "end"])
def test_a_run_is_marked_however_early_its_process_was_killed(home: Path, function: str) -> None:
    killed_at(function, home)
    assert statuses() == ["RUNNING" if function == "begin" else "FINISHED"]
    marked = unfinished.mark_left_running(home)
    assert len(marked) == (function == "begin")
    assert statuses() == ["KILLED" if function == "begin" else "FINISHED"]
    assert list((home / "running").iterdir()) == []


def test_a_process_that_was_killed_before_the_run_was_made_leaves_nothing_to_mark(home: Path) -> None:
    killed_at("announced", home)
    assert unfinished.mark_left_running(home) == []
    assert list((home / "running").iterdir()) == []


def test_what_was_announced_in_another_store_waits_for_a_command_that_sees_it(home: Path) -> None:
    killed_at("begin", home)
    mlflow.set_tracking_uri(f"sqlite:///{home}/other.db")
    assert unfinished.mark_left_running(home) == []
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    assert len(unfinished.mark_left_running(home)) == 1
