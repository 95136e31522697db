"""A real vLLM server answers and judges for the steps: as this process does, after a kill too, or not at all."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file

from entrypoints.steps.shared.bases import POCKET_FOLDER
from ragft.models.generation import Generator
from ragft.models.loading import describe_base, load_base
from ragft.models.vllm.model import VllmModel
from ragft.models.vllm.server import VllmServer
from tests.engines.conftest import Server, Trained

QUESTIONS = 60
LABELS = ("1", "2", "3", "4", "5")
# Rounding in bfloat16 may turn a few answers of a greedy model.
MOST_OTHER_ANSWERS = 0.15


def engine(server: Server) -> dict[str, Any]:
    return {"engine": "vllm", "engine_url": server.url, "dtype": "bfloat16"}


def evaluate(trained: Trained, check: bool = True, **params: Any) -> "subprocess.CompletedProcess[str]":  # noqa: ANN401
    asked = {"questions": QUESTIONS, "context": "retrieved", "judge": "none", "model": trained.model}
    return trained.checkout.step("evaluate", check=check, **{**asked, **params})


def artifact_of_last_run(trained: Trained, step: str, name: str, folder: Path) -> Path:
    client = MlflowClient(trained.checkout.tracking_uri)
    (experiment,) = client.search_experiments(filter_string="name = 'ragft'")
    run = client.search_runs([experiment.experiment_id], f"tags.`ragft.step` = '{step}'", max_results=1)[0]
    return download(trained, f"runs:/{run.info.run_id}/{name}", folder)


def download(trained: Trained, uri: str, folder: Path) -> Path:
    mlflow.set_tracking_uri(trained.checkout.tracking_uri)
    try:
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def rows_of_last_run(trained: Trained, folder: Path) -> pd.DataFrame:
    return pd.read_parquet(artifact_of_last_run(trained, "evaluate", "rows.parquet", folder)).set_index("id")


@pytest.fixture
def model(server: Server) -> Any:  # noqa: ANN401
    """The base on the server."""
    with VllmServer(server.url, timeout_s=60, deadline_s=60) as reached:
        yield VllmModel(reached, describe_base(str(POCKET_FOLDER), dtype="bfloat16"), reached.base)


def test_an_evaluation_on_the_server_is_the_one_in_process_up_to_rounding(
    server: Server, trained: Trained, tmp_path: Path
) -> None:
    judged: dict[str, Any] = {"judge": "base", "estimator": "expected_no_rationale"}
    done = evaluate(trained, **judged, **engine(server))
    assert "vllm 0.32.0 bfloat16: its base is within" in done.stdout
    there = rows_of_last_run(trained, tmp_path / "there")
    evaluate(trained, **judged, dtype="bfloat16")
    here = rows_of_last_run(trained, tmp_path / "here")
    assert list(there.index) == list(here.index)
    other = (there["output"] != here["output"]).mean()
    assert other <= MOST_OTHER_ANSWERS
    same = there["output"] == here["output"]
    scores = [column for column in map(str, there) if column.startswith("geval_") and there[column].dtype.kind == "f"]
    assert scores
    for column in scores:
        assert (there[column] - here[column])[same].abs().mean() < 0.1, column


def test_a_comparison_is_held_on_one_engine(server: Server, trained: Trained, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"questions": QUESTIONS, "context": "retrieved", "judge": "none", "model": trained.model}
    done = trained.checkout.step("compare", **asked, **engine(server))
    assert "False answers: " in done.stdout
    comparison = artifact_of_last_run(trained, "compare", "comparison.json", tmp_path).read_text()
    assert "answers were computed by vllm 0.32.0 bfloat16" in comparison


def test_scores_and_samples_come_from_the_tokens_that_are_legal(model: VllmModel) -> None:
    local = Generator(load_base(str(POCKET_FOLDER), dtype="float32"))
    messages = ["Rate this answer from 1 to 5: yes.", "Rate that one from 1 to 5: it costs $24 a month."]
    found, masses = model.score_distribution(messages, "Score:", LABELS)
    expected, expected_masses = local.score_distribution(messages, "Score:", LABELS)
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, abs=0.1)
    assert masses == pytest.approx(expected_masses, abs=0.1)
    seeds = [[11, 12, 13], [11, 12, 13]]
    once = model.sample(messages, "", 3, 12, 1.0, seeds)
    assert once == model.sample(messages, "", 3, 12, 1.0, seeds)
    assert len({reply.text for reply in once[0]}) > 1


def test_an_adapter_without_effect_under_the_right_name_stops_the_step(
    server: Server, trained: Trained, tmp_path: Path
) -> None:
    with Server(tmp_path / "log.txt", ("--lora-modules", f"{trained.digest}={dead(trained, tmp_path)}"), {}) as other:
        done = evaluate(trained, check=False, **engine(other), max_new_tokens=9)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "does not apply the adapter: the adapter changes the probes by 2" in done.stderr
        assert "nats a token here and by 0" in done.stderr
        # What was given at the start is used under its digest; what is not there cannot be loaded into this server.
        trained.checkout.step("finetune", samples=8, epochs=1, dev_questions=8)
        again = evaluate(trained, check=False, model="models:/ragft-telecom-pocket@challenger", **engine(other))
        assert again.returncode == 3
        assert "loads no adapters: start it with --enable-lora" in again.stderr


def dead(trained: Trained, folder: Path) -> Path:
    """Return a folder with the version's adapter, all of whose effect is multiplied by 0."""
    made = download(trained, f"{trained.model}/artifacts/adapter", folder)
    weights = load_file(made / "adapter_model.safetensors")
    scaled = {name: value * (0.0 if "lora_B" in name else 1.0) for name, value in weights.items()}
    save_file(scaled, made / "adapter_model.safetensors")
    return made


def test_a_rank_above_the_servers_is_told(server: Server, trained: Trained) -> None:
    trained.checkout.step("finetune", samples=8, epochs=1, dev_questions=8, lora_rank=32, seed=5)
    done = evaluate(trained, check=False, model="models:/ragft-telecom-pocket@challenger", **engine(server))
    assert done.returncode == 3
    assert "32" in done.stderr
    assert "--max-lora-rank" in done.stderr


def test_a_server_that_is_killed_loses_no_answer_and_the_same_command_goes_on(trained: Trained, tmp_path: Path) -> None:
    with Server(tmp_path / "log.txt") as first:
        evaluate(trained, **engine(first), questions=2)  # its first answer takes a server long
        asked: dict[str, Any] = {**engine(first), "concurrency": 1, "deadline_s": 10, "context": "none"}
        asked["questions"] = 150
        words = ["--model", trained.model, "--judge", "none"]
        words += [word for key, value in asked.items() for word in (f"--{key}", str(value))]
        running = trained.checkout.start(["python", "-m", "entrypoints.evaluate", *words], {})
        before = wait_for_answers(trained, running, 30)
        first.kill()
        said = running.communicate(timeout=120)[1]
        assert running.returncode == 3, said
        assert "gave no answer within 10 s" in said
        kept = answers(trained)
        assert len(kept) >= before
        with Server(tmp_path / "again.txt", port=first.port):
            evaluate(trained, **asked)
    assert kept.items() <= answers(trained).items()


def answers(trained: Trained) -> dict[str, str]:
    """Return key -> text of every answer in the home's store."""
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from ragft.store.server import open_store\n"
        "home = Path(sys.argv[1])\n"
        "with open_store(None, home) as store, store.transaction() as cursor:\n"
        "    cursor.execute('SELECT key, text FROM answers')\n"
        "    print(json.dumps(dict(cursor.fetchall())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(trained.checkout.home)],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def wait_for_answers(trained: Trained, running: "subprocess.Popen[str]", more: int) -> int:
    """Wait until the command has stored so many more answers, and return how many there are."""
    already = len(answers(trained))
    while running.poll() is None:
        if (found := len(answers(trained))) >= already + more:
            return found
    raise AssertionError(running.communicate()[1])
