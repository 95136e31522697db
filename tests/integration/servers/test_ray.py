"""A study on a Ray cluster of two nodes with a home each, a real Postgres and an MLflow server; one node is killed.

The Postgres is the embedded one, or that of RAGFT_TEST_DSN.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from ragft.store.server import open_store
from tests.end_to_end.test_sharing import ONCE, unnumbered
from tests.torture.ledger import Cursor, count_rows, handed_over
from tests.torture.small_study import make_study, words_of

pytest.importorskip("ray", reason="optional package: ray")
ROOT = Path(__file__).parents[3]
CELLS = 4
WITHIN_S = 900.0  # a minute on a machine that rests
MOST_IN_HAND = 8  # rows of one transaction: there are eight passages, and fewer questions


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parameters of a small study."""
    return {**make_study(tmp_path_factory.mktemp("study")), "seeds": "0,1,2,3"}


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return what a machine has set, and nothing of this process's MLflow and Ray."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RAGFT_", "RAY_"))}
    own = {"RAGFT_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**inherited, **own, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path, **more}


@contextmanager
def node(given: Mapping[str, str], *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a node of Ray as a group of processes, which is killed at the end."""
    words = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats", *options]
    with subprocess.Popen(
        words, env=dict(given), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: "subprocess.Popen[str]") -> None:
    """Kill a node with -9, its workers included: as a machine that loses its power."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for pid in [*(each.pid for each in family), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def claimed(dsn: str, home: Path) -> list[tuple[str, int]]:
    """Return the cells that are being computed, and the process that does."""
    with open_store(dsn, home) as store, store.transaction() as cursor:
        cursor.execute(
            "SELECT name, owner FROM claims WHERE finished IS NULL AND owner <> '' AND study NOT LIKE 'base%'"
        )
        return [(name, int(owner.split(":")[-2])) for name, owner in cursor]


def test_a_cluster_that_loses_a_node_shows_what_one_process_shows(
    study: dict[str, Any], dsn: str, server: str, tmp_path: Path
) -> None:
    alone = environment(tmp_path / "alone", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'alone.db'}")
    subprocess.run(words_of(study, tmp_path / "alone.json"), env=alone, cwd=ROOT, check=True, capture_output=True)
    with open_store(dsn, tmp_path) as store, store.transaction() as cursor:
        count_rows(cursor)
    port = free_port()
    shared = {
        "RAGFT_DSN": dsn,
        "MLFLOW_TRACKING_URI": server,
        "MLFLOW_EXPERIMENT_NAME": "on ray",
        "RAY_ADDRESS": f"127.0.0.1:{port}",
        # On a busy machine the usual 30 and 60 are too few.
        "RAY_raylet_start_wait_time_s": "600",
        "RAY_worker_register_timeout_seconds": "600",
        "RAY_worker_niceness": "0",  # the usual 15 leaves a worker nothing there
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    with ExitStack() as stack:
        head = environment(tmp_path / "head", **{key: value for key, value in shared.items() if key != "RAY_ADDRESS"})
        started(
            stack.enter_context(node(head, "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"))
        )
        nodes = []
        for number in range(2):
            # One after another: two that start at once on one machine choose the same ports.
            given = environment(tmp_path / f"node{number}", **shared)
            nodes.append(stack.enter_context(node(given, f"--address=127.0.0.1:{port}", "--num-cpus=1")))
            started(nodes[-1])
        words = [*words_of(study, tmp_path / "ray.json"), "--executor", "ray"]
        driver = stack.enter_context(
            subprocess.Popen(
                words,
                env=environment(tmp_path / "driver", **shared),
                cwd=ROOT,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        try:
            cell = kill_a_node_at_work(nodes, dsn, tmp_path)
            said, _ = driver.communicate(timeout=WITHIN_S)
        finally:
            driver.kill()
    assert driver.returncode == 0, said
    assert unnumbered(tmp_path / "ray.json") == unnumbered(tmp_path / "alone.json")
    assert "Ray: 3 nodes, 2 CPUs" in said
    assert said.count("/4] ") == CELLS, said
    with open_store(dsn, tmp_path) as store, store.transaction() as cursor:
        attempts = dict(cursor.execute("SELECT name, attempts FROM claims WHERE study NOT LIKE 'base%'").fetchall())
        bases = cursor.execute("SELECT count(*), count(finished) FROM claims WHERE study LIKE 'base%'").fetchone()
        again = {name: handed - rows_of(cursor, name) for name, handed in handed_over(cursor).items()}
    assert attempts.pop(cell) > 1
    assert list(attempts.values()) == [1] * (CELLS - 1)
    assert bases == (1, 1)
    # What the node had in hand when it was killed is computed again, and nothing else is.
    assert all(0 <= again[name] <= MOST_IN_HAND for name in ONCE), again
    assert evaluated_by_a_task_of_its_own(server)
    all_under_one_parent(server)


def rows_of(cursor: Cursor, table: str) -> int:
    (count,) = cursor.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(count)


def evaluated_by_a_task_of_its_own(uri: str) -> bool:
    """Return whether an evaluation of the base stands directly below the study."""
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'on ray'")
    runs = client.search_runs([experiment.experiment_id], max_results=500)
    (study,) = [run for run in runs if run.data.tags.get("ragft.step") == "study"]
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == study.info.run_id]
    return any(run.data.tags.get("ragft.step") == "evaluate" for run in below)


def started(process: "subprocess.Popen[str]") -> None:
    """Wait until a node is part of the cluster."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ray runtime started" in line:
            return
    raise AssertionError("".join(said))


def kill_a_node_at_work(nodes: list["subprocess.Popen[str]"], dsn: str, home: Path) -> str:
    """Wait until a node computes a cell, kill it, and return the cell it was at."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        for name, process in claimed(dsn, home):
            families = [{each.pid for each in psutil.Process(node.pid).children(recursive=True)} for node in nodes]
            (victim,) = [node for node, family in zip(nodes, families, strict=True) if process in family]
            end(victim)
            return name
        time.sleep(0.2)
    raise AssertionError(f"the nodes did not begin: {claimed(dsn, home)}")


def all_under_one_parent(server: str) -> None:
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("on ray")
    assert experiment is not None
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id], max_results=1000)}
    (top,) = [run for run in runs.values() if "mlflow.parentRunId" not in run.data.tags]
    assert top.data.tags["ragft.step"] == "study"
    cells = [run for run in runs.values() if run.data.tags.get("ragft.step") == "study cell"]
    assert {run.data.tags["mlflow.parentRunId"] for run in cells} == {top.info.run_id}
    ended = [run.info.status for run in cells]
    # The node that died ended nothing; the study did that for it.
    assert sorted(ended) == ["FINISHED"] * CELLS + ["KILLED"] * (len(cells) - CELLS)
    assert {run.info.status for run in runs.values()} <= {"FINISHED", "KILLED"}
    table = json.loads(Path(client.download_artifacts(top.info.run_id, "workers.json")).read_text())
    assert sum(dict(zip(table["columns"], row, strict=True))["cells"] for row in table["data"]) == CELLS


def refused(study: dict[str, Any], home: Path, *options: str, **given: str) -> str:
    words = [*words_of(study, home / "out.json"), "--executor", "ray", *options]
    done = subprocess.run(words, env=environment(home, **given), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    return done.stderr


def test_what_cannot_be_shared_or_computed_is_refused_before_work_starts(
    study: dict[str, Any], dsn: str, server: str, tmp_path: Path
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    said = refused(study, tmp_path / "one", RAY_ADDRESS=nowhere)
    assert "cannot reach the embedded Postgres of this one: set RAGFT_DSN" in said
    said = refused(study, tmp_path / "two", RAY_ADDRESS=nowhere, RAGFT_DSN=dsn)
    assert "cannot write to this MLflow store (sqlite): set MLFLOW_TRACKING_URI to an MLflow server" in said
    said = refused(study, tmp_path / "three", RAY_ADDRESS=nowhere, RAGFT_DSN=dsn, MLFLOW_TRACKING_URI=server)
    assert f"no Ray cluster answers at RAY_ADDRESS ({nowhere})" in said
    said = refused(study, tmp_path / "four", "--gpus_per_cell", "2", RAGFT_DSN=dsn, MLFLOW_TRACKING_URI=server)
    assert (
        "a cell asks for 2 GPUs of one machine (gpus_per_cell), and no machine of the Ray cluster has more than" in said
    )
