"""Signals to end, sent to real commands in the middle of their work: the run is KILLED, nothing is left behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
from mlflow import MlflowClient

from tests.end_to_end.conftest import ROOT, Checkout
from tests.tiny_model import make_tiny_model

# One context makes one run; several are nested in one more.
EVALUATE: dict[str, Any] = {"dataset": "qasper", "context": "retrieved", "max_new_tokens": 8}
EVALUATE |= {"repeats": 2, "judge_max_new_tokens": 8}
FINETUNE: dict[str, Any] = {"dataset": "qasper", "samples": 4, "epochs": 2}
# What the project promises, and more for a machine that is busy with other things.
SECONDS_TO_END = 5 + 25


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, papers: Path) -> Checkout:
    """A home in which the papers are prepared."""
    folder = tmp_path_factory.mktemp("signals")
    made = Checkout(folder / "home", make_tiny_model(folder / "tiny"))
    made.step("prepare", dataset="qasper", path=papers)
    return made


def statuses(checkout: Checkout) -> list[str]:
    """The status of every run of the home."""
    mlflow.set_tracking_uri(checkout.tracking_uri)
    try:
        client = MlflowClient()
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return [run.info.status for run in client.search_runs(experiments)]
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def processes_of(checkout: Checkout) -> list[psutil.Process]:
    """Whatever runs with the home among its words: Postgres, its watcher, a step."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if any(str(checkout.home) in word for word in process.info["cmdline"] or ())
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def wait_until_gone(checkout: Checkout) -> None:
    deadline = time.monotonic() + SECONDS_TO_END
    while left := processes_of(checkout):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def start(checkout: Checkout, words: list[str], kill_point: str) -> "subprocess.Popen[str]":
    """Start a command, with no signal ignored as one in the background may inherit it, and wait for the kill point."""
    process = subprocess.Popen(
        ["env", "--default-signal=INT,HUP,TERM", *words],
        cwd=ROOT,
        env={**checkout.environment, "RAGFT_TEST_KILL_POINT": kill_point},
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line == f"held at: {kill_point}\n":
            return process
    pytest.fail(f"{words} ended without passing the kill point {kill_point}:\n{''.join(said)}")


def command(checkout: Checkout, step: str, params: dict[str, Any]) -> list[str]:
    given = {**params, "base": checkout.base}
    return [sys.executable, "-m", f"entrypoints.{step}", *(w for k, v in given.items() for w in (f"--{k}", str(v)))]


@pytest.fixture(autouse=True)
def nothing_is_left(home: Checkout) -> Iterator[None]:
    yield
    for process in processes_of(home):
        process.kill()


@pytest.mark.parametrize(
    ("number", "code", "step", "params", "kill_point"),
    [
        (signal.SIGINT, 130, "evaluate", EVALUATE, "generate.write"),
        (signal.SIGTERM, 143, "evaluate", EVALUATE, "judge.write"),
        (signal.SIGTERM, 143, "finetune", FINETUNE, "finetune.checkpoint"),
    ],
)
def test_a_signal_ends_the_run_as_killed_and_leaves_no_process(
    home: Checkout, number: signal.Signals, code: int, step: str, params: dict[str, Any], kill_point: str
) -> None:
    before = statuses(home).count("KILLED")
    with start(home, command(home, step, params), kill_point) as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == code, errors
    assert f"stopped by {number.name}" in errors
    assert "Traceback" not in errors
    wait_until_gone(home)
    assert statuses(home).count("KILLED") == before + 1
    assert "RUNNING" not in statuses(home)


def test_what_a_kill_left_running_is_marked_by_the_next_command(home: Checkout, papers: Path) -> None:
    with start(home, command(home, "finetune", FINETUNE), "finetune.checkpoint") as process:
        process.kill()
    wait_until_gone(home)
    killed = statuses(home).count("KILLED")
    assert statuses(home).count("RUNNING") == 1
    done = home.step("prepare", dataset="qasper", path=papers)
    assert "1 MLflow run that a killed command left RUNNING is marked KILLED" in done.stdout
    assert statuses(home).count("RUNNING") == 0
    assert statuses(home).count("KILLED") == killed + 1
    assert list((home.home / "running").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_stops_mlflow_run_stops_the_step_too(home: Checkout, papers: Path, number: signal.Signals) -> None:
    mlflow_command = str(Path(sys.executable).with_name("mlflow"))
    words = [mlflow_command, "run", str(ROOT), "-e", "evaluate", "--env-manager", "local"]
    given = {**EVALUATE, "base": home.base, "questions": 2}
    words += [word for key, value in given.items() for word in ("-P", f"{key}={value}")]
    killed = statuses(home).count("KILLED")
    with start(home, words, "judge.write") as process:
        process.send_signal(number)
        process.communicate(timeout=SECONDS_TO_END)
    wait_until_gone(home)
    assert "RUNNING" not in statuses(home)
    # Where mlflow run lives on, it writes FAILED over what the step has said.
    home.step("prepare", dataset="qasper", path=papers)
    assert statuses(home).count("KILLED") == killed + 1
    assert "FAILED" not in statuses(home)
    assert list((home.home / "running").iterdir()) == []


HELD = """
import hashlib, os, time
from ragft.cli import step_command
from ragft.params.data import PrepareParams

def main(params):
    from entrypoints.environment import opened_workspace
    with opened_workspace() as workspace:
        from entrypoints.steps.shared.runs import step_run
        with step_run(params, "held", {}, workspace.home), step_run(params, "nested", {}, workspace.home):
            os.write(2, b"held at: prepare.save\\n")
            HOLD

step_command("held", PrepareParams, main)()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)], ids=str
)
@pytest.mark.parametrize(
    "hold", ["time.sleep(100)", "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"], ids=["waiting", "deaf in a library"]
)
def test_a_step_ends_whatever_it_does(home: Checkout, number: signal.Signals, code: int, hold: str) -> None:
    killed = statuses(home).count("KILLED")
    with start(home, [sys.executable, "-c", HELD.replace("HOLD", hold)], "prepare.save") as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    wait_until_gone(home)
    assert statuses(home).count("KILLED") == killed + 2
    assert "RUNNING" not in statuses(home)
