"""A study whose answers and judgements come from a real vLLM server: killed with -9 in between, each asked for once."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mlflow import MlflowClient

from entrypoints.steps.shared.bases import POCKET_FOLDER
from tests.end_to_end.conftest import Checkout
from tests.end_to_end.test_study import table
from tests.engines.conftest import Server
from tests.torture.attempt import MARK, MARKS_ALONE
from tests.torture.ledger import committed, look, prepare_store
from tests.torture.small_study import make_data, words_of

STUDY: dict[str, Any] = {
    "base": POCKET_FOLDER,
    "format": "closed_book",
    "samples": 8,
    "epochs": 4,
    "seeds": "0,1",
    "context": "none,retrieved",
    "questions": 6,
    "agreement": 0,
    "max_new_tokens": 32,
    "engine": "vllm",
    "dtype": "bfloat16",
}
# Base and two adapters, each in both contexts.
ANSWERS = 3 * 2 * STUDY["questions"]
IN_FLIGHT = 8  # the usual concurrency, which a study has


@dataclass(frozen=True)
class Studied:
    """What became of a study that was killed in its second cell and started again.

    Attributes:
        kept: Answers in the store when it was killed.
        asked_first: Answers that the server wrote until then, those in flight included.
        asked_again: Answers that it wrote for the same command, started again.
        rows: Table -> rows at the end.
        handed: Table -> rows that were handed to it, those of the lost transaction included.
        said: What the second command printed.
        found: What it exported.
    """

    home: Checkout
    kept: int
    asked_first: int
    asked_again: int
    rows: dict[str, int]
    handed: dict[str, int]
    said: str
    found: Any


@pytest.fixture(scope="module")
def studied(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Studied:
    folder = tmp_path_factory.mktemp("study")
    home = Checkout(folder / "home", POCKET_FOLDER)
    prepare_store(home.home)
    home.step("setup")
    study = {**STUDY, **make_data(folder / "data"), "engine_url": server.url}
    before = answers_written(server)
    kill_in_second_cell(home, words_of(study, folder / "study.json"))
    kept, killed = len(committed(home.home)["answers"]), answers_written(server)
    done = home.step("study", **study, export=folder / "study.json")
    asked = answers_written(server)
    contents, handed = look(home.home)
    rows = {name: int(said.partition(" ")[0]) for name, said in contents.items()}
    return Studied(home, kept, killed - before, asked - killed, rows, handed, done.stdout, table(folder / "study.json"))


def kill_in_second_cell(home: Checkout, words: list[str]) -> None:
    """Start the study, and kill it while it writes the first answers of its second adapter."""
    with home.start(words, {"RAGFT_TEST_KILL_POINT": MARKS_ALONE}) as process:
        assert process.stderr is not None
        passed = [""]
        for line in process.stderr:
            passed.append(line.strip().removeprefix(MARK))
            if "study.cell" in passed and passed[-1] == "generate.write":
                process.kill()
                break
    assert process.returncode == -9, "".join(passed)


def answers_written(server: Server) -> int:
    """Return how many replies of more than one token the server counts, once it rests; probes and scores have one."""
    while number(server, "vllm:num_requests_running") + number(server, "vllm:num_requests_waiting"):
        time.sleep(0.2)
    every = number(server, "vllm:request_params_max_tokens_count")
    return every - number(server, "vllm:request_params_max_tokens_bucket", 'le="1.0"')


def number(server: Server, name: str, label: str = "") -> int:
    """Return the value of one of the server's own counters."""
    lines = httpx2.get(f"{server.url.removesuffix('/v1')}/metrics").text.splitlines()
    (found,) = [line for line in lines if line.startswith(f"{name}{{") and label in line]
    return int(float(found.rpartition(" ")[2]))


def test_each_answer_was_asked_of_the_server_once(studied: Studied) -> None:
    # Nothing else answers here: training asks its own base only where questions have no answer, or of pocket by name.
    assert studied.rows["answers"] == ANSWERS
    assert studied.asked_again == ANSWERS - studied.kept > 0
    # Those that were in flight when the process was killed are asked for again: they were written nowhere.
    lost = studied.asked_first - studied.kept
    assert 0 <= lost <= IN_FLIGHT
    assert 0 <= studied.handed["answers"] - studied.rows["answers"] <= lost
    for name in ("retrievals", "judgements", "study_cells"):
        assert studied.handed[name] == studied.rows[name] > 0, name


def test_both_sides_of_each_comparison_come_from_the_server(studied: Studied) -> None:
    client = MlflowClient(studied.home.tracking_uri)
    (experiment,) = client.search_experiments(filter_string="name = 'ragft'")
    runs = client.search_runs([experiment.experiment_id], max_results=500)
    ended = [run for run in runs if run.info.status == "FINISHED"]
    compared = [run for run in ended if run.data.tags.get("ragft.step") == "compare"]
    assert len(compared) == 2
    for run in compared:
        comparison = json.loads(Path(client.download_artifacts(run.info.run_id, "comparison.json")).read_text())
        (check,) = [each for each in comparison["checks"] if each["name"] == "one engine"]
        assert (check["passed"], check["detail"]) == (True, "answers were computed by vllm 0.32.0 bfloat16")
    # A run of its own holds each context; the check of the server stands in the one above them.
    checked = [run for run in ended if "ragft.engine_check" in run.data.tags]
    assert {run.data.tags["ragft.engine"] for run in checked} == {"vllm 0.32.0 bfloat16"}
    assert len({run.data.tags["mlflow.parentRunId"] for run in checked}) == 2


def test_the_verdicts_are_in_the_table(studied: Studied) -> None:
    assert "2 cells, of which 1 are done" in studied.said
    assert "[2/2]" in studied.said
    assert "[1/2]" not in studied.said
    (group,) = studied.found["groups"]
    assert group["seeds"] == ["0", "1"]
    outcomes = [cell["outcome"] for cell in studied.found["cells"]]
    assert f"{outcomes[0]} 2 of 2" in studied.said or all(f"{each} 1 of 2" in studied.said for each in outcomes)
    decided = {change["measure"]: change["n"] for change in group["changes"] if change["decides"]}
    assert decided == {"right": STUDY["questions"]}  # its answers are short: a rule tells them, and no judge
