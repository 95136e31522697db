"""Served models through the real evaluate step: one that answers, a judge that dies halfway, a user's criterion."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.end_to_end.conftest import Checkout
from tests.scripted_server import Response, ScriptedServer, message_of, says
from tests.tiny_model import make_tiny_model

TONE = """---
name: tone
direction: higher
sees: [question]
scores:
  "1": {value: 1, means: Rude}
  "2": {value: 2, means: Neutral}
  "3": {value: 3, means: Friendly}
---
How friendly the answer is.
"""
KEY = "sk-a-secret-of-the-environment"
REPEATS = 3
IN_FLIGHT = 2


def is_judging(body: dict[str, Any]) -> bool:
    return message_of(body).startswith("Grade one answer")


def script(number: int, body: dict[str, Any]) -> Response:
    """Answer questions, write evaluation steps, and grade."""
    message = message_of(body)
    if message.startswith("Write the evaluation steps"):
        return says("1. Read the answer.\n2. Look for friendly words.")
    if is_judging(body):
        return says(f"Reason: it was read.\nScore: {1 + body['seed'] % 3}")
    return says(f"It took {len(message)} characters to ask.")


@dataclass(frozen=True)
class Served:
    """What two runs against the server left behind: one whose judge died halfway, and the one after it."""

    checkout: Checkout
    first: ScriptedServer
    second: ScriptedServer
    died: int
    said: str
    told: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, papers: Path) -> Served:
    folder = tmp_path_factory.mktemp("served")
    checkout = Checkout(folder / "home", make_tiny_model(folder / "tiny"))
    (folder / "tone.md").write_text(TONE, encoding="utf-8")
    given: dict[str, Any] = {
        "dataset": "qasper", "path": papers, "base": checkout.base, "model": "served", "served_model": "gpt-scripted",
        "judge": "gpt-scripted-judge", "criteria": f"accuracy,{folder / 'tone.md'}", "repeats": REPEATS,
        "concurrency": IN_FLIGHT, "timeout_s": 8, "deadline_s": 8, "context": "retrieved",
    }  # fmt: skip
    environment = {"RAGFT_API_KEY": KEY}
    judged, lock = [0], threading.Lock()

    def dies(number: int, body: dict[str, Any]) -> Response:
        with lock:
            judged[0] += is_judging(body)
        return script(number, body) if judged[0] <= 7 else Response(drop=True)

    with ScriptedServer(dies) as first:
        urls: dict[str, Any] = {"model_url": first.url, "judge_url": first.url}
        failed = checkout.step("evaluate", check=False, environment=environment, **given, **urls)
    with ScriptedServer(script, port=urlsplit(first.url).port or 0) as second:
        done = checkout.step("evaluate", environment=environment, **given, **urls)
    quick: dict[str, Any] = {"judge": "none", "max_new_tokens": 4, "context": "retrieved"}
    checkout.step("evaluate", dataset="qasper", base=checkout.base, **quick)
    return Served(checkout, first, second, failed.returncode, failed.stderr, done.stdout)


@pytest.fixture(scope="module")
def runs(served: Served) -> Iterator[dict[str, Run]]:
    """The finished evaluations, by the model under test."""
    mlflow.set_tracking_uri(served.checkout.tracking_uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("ragft")
    assert experiment is not None
    finished = "attributes.status = 'FINISHED' and tags.`ragft.step` = 'evaluate'"
    yield {run.data.tags["ragft.model"]: run for run in client.search_runs([experiment.experiment_id], finished)}
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def table(run: Run) -> list[dict[str, Any]]:
    stored = json.loads(Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/rows.json")).read_text())
    return [dict(zip(stored["columns"], row, strict=True)) for row in stored["data"]]


def test_a_judge_that_dies_halfway_is_named_and_loses_no_row(served: Served, runs: dict[str, Run]) -> None:
    assert served.died == 5
    assert "the judge cannot be asked" in served.said and "Traceback" not in served.said
    rows = table(runs["gpt-scripted"])
    assert len(rows) >= 3
    assert all(row["geval_accuracy"] is not None and row["geval_tone"] is not None for row in rows)
    assert runs["gpt-scripted"].data.metrics["geval_accuracy/n_unscored"] == 0


def test_only_what_was_in_flight_is_asked_again(served: Served) -> None:
    def asked(server: ScriptedServer) -> set[tuple[str, int]]:
        return {(message_of(body), body["seed"]) for body in server.calls}

    answered_before_it_died = 7
    assert len(asked(served.first) & asked(served.second)) <= IN_FLIGHT
    assert not any(not is_judging(body) for body in served.second.calls)
    assert len([body for body in served.first.calls if is_judging(body)]) >= answered_before_it_died


def test_a_served_model_stands_beside_the_base(runs: dict[str, Run]) -> None:
    assert set(runs) == {"gpt-scripted", "base"}
    names = {name for name in runs["base"].data.metrics if name.startswith(("answer_", "exact_", "hit_", "abst"))}
    assert names <= set(runs["gpt-scripted"].data.metrics)
    assert len(names) > 5
    tags = runs["gpt-scripted"].data.tags
    assert (tags["ragft.kind"], tags["ragft.base"]) == ("served", "gpt-scripted")
    assert [row["input"] for row in table(runs["base"])] == [row["input"] for row in table(runs["gpt-scripted"])]


def test_a_criterion_of_ones_own_is_graded_by_steps_that_were_written_once(
    served: Served, runs: dict[str, Run]
) -> None:
    written = [body for server in (served.first, served.second) for body in server.calls
               if message_of(body).startswith("Write the evaluation steps")]  # fmt: skip
    assert len(written) == 1
    run = runs["gpt-scripted"]
    logged = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/criteria.json")
    assert "2. Look for friendly words." in logged["tone"]["text"]
    assert run.data.tags["ragft.criterion_tone"] == logged["tone"]["sha256"]
    assert all("1. Read the answer." in message_of(body) for body in served.first.calls if "tone" in message_of(body)
               and is_judging(body))  # fmt: skip


def test_judge_and_model_of_one_family_are_said_and_logged(served: Served, runs: dict[str, Run]) -> None:
    assert "of the family gpt: a judge favours" in served.told
    assert "of the family gpt" in runs["gpt-scripted"].data.tags["ragft.judge_family"]


def test_the_key_is_sent_and_stored_nowhere(served: Served) -> None:
    assert {headers["authorization"] for headers in served.second.headers} == {f"Bearer {KEY}"}
    files = [path for path in served.checkout.home.rglob("*") if path.is_file() and "postgres" not in path.parts]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
