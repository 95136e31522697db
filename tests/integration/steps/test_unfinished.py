"""A run whose process was killed before it learnt the run's id is marked by the next command all the same."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from entrypoints.steps.shared import unfinished
from entrypoints.steps.shared.runs import step_run
from ragft.params import PrepareParams


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.search_experiments()  # the store exists before anything forks
    yield tmp_path
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(function: str, home: Path) -> None:
    """Begin a step in a process of its own, which is killed when it calls a function of `unfinished`."""
    child = os.fork()
    if child == 0:
        setattr(unfinished, function, die)
        with step_run(PrepareParams(), "a step", {}, home):
            pass
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


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
    child = os.fork()
    if child == 0:
        unfinished.announce(home)
        die()
    os.waitpid(child, 0)
    assert unfinished.mark_left_running(home) == []
    assert list((home / "running").iterdir()) == []


def test_what_was_announced_in_another_store_waits_for_a_command_that_sees_it(home: Path) -> None:
    killed_at("begin", home)
    mlflow.set_tracking_uri(f"sqlite:///{home}/other.db")
    assert unfinished.mark_left_running(home) == []
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    assert len(unfinished.mark_left_running(home)) == 1
