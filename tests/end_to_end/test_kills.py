"""kill -9 at every named kill point, one after the other on one home: nothing lost, nothing twice, the same result."""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import mlflow
import psycopg
import pytest
from mlflow import MlflowClient

from ragft.store.embedded import embedded_dsn, leave_embedded
from ragft.store.kill_points import KILL_POINTS
from tests.end_to_end.conftest import ROOT, Checkout
from tests.tiny_model import make_tiny_model

EVALUATE: dict[str, Any] = {"dataset": "qasper", "max_new_tokens": 8, "repeats": 2, "judge_max_new_tokens": 8}
FINETUNE: dict[str, Any] = {"dataset": "qasper", "samples": 4, "epochs": 2, "learning_rate": 0.01}
OF_TRAINING = "finetune.checkpoint"
OF_EVALUATING = [name for name in KILL_POINTS if name.split(".")[0] in ("prepare", "retrieve", "generate", "judge")]
OF_STUDIES = ["claims.take", "study.cell"]  # test_study
OF_PROBING = "probe.save"
OF_TRACES = "traces.write"  # tests/integration/steps/test_traces.py
# tests/integration/registry/test_kills.py
OF_THE_REGISTRY = [name for name in KILL_POINTS if name.startswith(("register.", "promote."))]


def kill_in(checkout: Checkout, kill_point: str, step: str, params: dict[str, object], *, cold: bool = False) -> None:
    """Start the step and kill it while it is held at the kill point, which it says on stderr."""
    words = [sys.executable, "-m", f"entrypoints.{step}"]
    words += [word for key, value in params.items() for word in (f"--{key}", str(value))]
    process = checkout.begin(words, {"RAGFT_TEST_KILL_POINT": kill_point}, cold=cold)
    assert process.stdout is not None
    said = []
    with process.stdout:
        for line in process.stdout:
            said.append(line)
            if line == f"held at: {kill_point}\n":
                os.kill(process.pid, signal.SIGKILL)
                break
        else:
            pytest.fail(f"{step} ended without passing the kill point {kill_point}:\n{''.join(said)}")
        assert process.wait() == -signal.SIGKILL


def outcome(checkout: Checkout) -> list[list[Any]]:
    """The rows of the finished evaluation, all columns."""
    mlflow.set_tracking_uri(checkout.tracking_uri)
    try:
        client = MlflowClient()
        experiment = client.get_experiment_by_name("ragft")
        assert experiment is not None
        finished = "attributes.status = 'FINISHED' and tags.`ragft.context` = 'retrieved'"
        (run,) = client.search_runs([experiment.experiment_id], finished)
        path = client.download_artifacts(run.info.run_id, "rows.json")
        return list(json.loads(Path(path).read_text())["data"])
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def counts(checkout: Checkout) -> dict[str, int]:
    """How many rows each table holds."""
    with psycopg.connect(embedded_dsn(checkout.home)) as connection:
        tables = (
            "documents",
            "questions",
            "preparations",
            "passages",
            "vectors",
            "collections",
            "retrievals",
            "answers",
        )
        found = {}
        for table in (*tables, "judgements"):
            row = connection.execute(f"SELECT count(*) FROM ragft.{table}").fetchone()
            assert row is not None
            found[table] = row[0]
    leave_embedded(checkout.home)
    return found


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, papers: Path) -> tuple[Checkout, Checkout]:
    """A home where nothing is killed, and one where everything is; the bases are equal."""
    folder = tmp_path_factory.mktemp("kills")
    base = make_tiny_model(folder / "tiny")
    calm, killed = Checkout(folder / "calm", base), Checkout(folder / "killed", base)
    given: dict[str, Any] = {"path": papers, "base": base}
    calm.step("evaluate", **EVALUATE, **given)
    calm.step("finetune", **FINETUNE, **given)
    for number, kill_point in enumerate(OF_EVALUATING):
        kill_in(killed, kill_point, "evaluate", {**EVALUATE, **given}, cold=number == 0)
    killed.step("evaluate", **EVALUATE, **given)
    kill_in(killed, OF_TRAINING, "finetune", {**FINETUNE, **given}, cold=True)
    killed.step("finetune", **FINETUNE, **given)
    return calm, killed


def test_every_kill_point_is_walked_through() -> None:
    assert len(OF_EVALUATING) >= 6
    assert {*OF_EVALUATING, *OF_THE_REGISTRY, *OF_STUDIES, OF_TRAINING, OF_PROBING, OF_TRACES} == set(KILL_POINTS)


def test_the_table_is_the_same_after_a_kill_at_each_kill_point(homes: tuple[Checkout, Checkout]) -> None:
    calm, killed = homes
    assert outcome(killed) == outcome(calm)
    assert len(outcome(calm)) == 3


def test_nothing_is_lost_and_nothing_is_there_twice(homes: tuple[Checkout, Checkout]) -> None:
    calm, killed = homes
    assert counts(killed) == counts(calm)
    assert min(counts(calm).values()) > 0


def test_a_resumed_adapter_is_bit_identical(homes: tuple[Checkout, Checkout]) -> None:
    weights = [next(home.home.glob("training/*/adapter/adapter_model.safetensors")).read_bytes() for home in homes]
    assert weights[0] == weights[1]
    assert [dataclasses.replace(home).base for home in homes] == [homes[0].base] * 2


def test_a_killed_probe_is_saved_once(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "home", tmp_path)
    # Questions alone: no documents are embedded first, which takes longer than all the rest.
    data = {"dataset": "entity_questions", "path": ROOT / "tests/data/entity_questions"}
    params: dict[str, Any] = {**data, "split": "train", "questions": 2, "sets": 1, "samples": 1}
    kill_in(checkout, OF_PROBING, "probe", params)
    checkout.step("probe", cold=True, **params)
    with psycopg.connect(embedded_dsn(checkout.home)) as connection:
        found = connection.execute("SELECT record FROM ragft.probes").fetchall()
    leave_embedded(checkout.home)
    assert len(found) == 1
    assert found[0][0]
