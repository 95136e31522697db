"""Calibrating a judge: the sheet goes out, comes back from two people, and what it says reaches the store."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import psycopg
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ragft.store.embedded import embedded_dsn, leave_embedded
from tests.end_to_end.conftest import ROOT, Checkout
from tests.scripted_server import Response, ScriptedServer, message_of, says
from tests.tiny_model import make_tiny_model

UNIEVAL = "tests/data/geval/unieval-qags-xsum.json"
QUESTIONS = 40


def words_of(number: int) -> int:
    """How many words question ``number`` is answered with."""
    return 1 + number * 7 % 5


def script(_: int, body: dict[str, Any]) -> Response:
    """Answer with some words, and grade their number; every eighth answer is misjudged."""
    message = message_of(body)
    number = int(re.findall(r"about (\d+)", message)[-1])
    if body.get("logprobs"):
        likeliest = {"token": f" {words_of(number)}", "logprob": -0.1}
        tokens = [{"token": "Score:", "logprob": 0.0}, {**likeliest, "top_logprobs": [likeliest]}]
        return says(f"Score: {words_of(number)}", logprobs={"content": tokens})
    if message.startswith("Grade one answer"):
        return says(f"Reason: counted.\nScore: {words_of(number) if number % 8 else 3}")
    return says(" ".join(["word"] * words_of(number)))


@dataclass(frozen=True)
class Calibrated:
    """The sheet, what was printed, and what the store knew after agreement and after disagreement."""

    checkout: Checkout
    sheet: list[dict[str, str]]
    told: str
    after_agreement: list[dict[str, Any]]
    after_disagreement: list[dict[str, Any]]
    refused: str
    estimators: str


def calibrations(checkout: Checkout) -> list[dict[str, Any]]:
    with psycopg.connect(embedded_dsn(checkout.home)) as connection:
        found = [row[0] for row in connection.execute("SELECT record FROM ragft.calibrations")]
    leave_embedded(checkout.home)
    return found


def rated(sheet: Path, target: Path, grade: Callable[[int], int]) -> Path:
    """Write the sheet as a person filled it in, who looks at the number of words."""
    head, *rows = csv.reader(io.StringIO(sheet.read_text(encoding="utf-8-sig"), newline=""))
    place = next(index for index, name in enumerate(head) if name.startswith("accuracy"))
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for row in rows:
            row[place] = str(grade(len(row[head.index("answer")].split())))
            writer.writerow(row)
    return target


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    folder = tmp_path_factory.mktemp("judge")
    checkout = Checkout(folder / "home", make_tiny_model(folder / "tiny"))
    splits = ["train", "dev", "confirm", *["test"] * QUESTIONS]
    rows = [
        {"id": f"q{n}", "question": f"What is known about {n}?", "answer": "words", "document": f"d{n}", "split": split}
        for n, split in enumerate(splits)
    ]
    documents = [{"id": f"d{n}", "text": f"Text of document {n}."} for n in range(len(splits))]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    sheet = folder / "sheet.csv"
    with ScriptedServer(script) as server:
        given: dict[str, Any] = {
            "dataset": "rows", "path": folder / "own.jsonl", "documents": folder / "documents.jsonl", "top_k": 1,
            "allow_leaks": True,
            "base": checkout.base, "model": "served", "served_model": "m", "model_url": server.url, "judge": "j",
            "judge_url": server.url, "criteria": "accuracy", "repeats": 2, "deadline_s": 20,
        }  # fmt: skip
        checkout.mlflow_run("judge", cold=True, **given, sheet=sheet)
        assert not [body for body in server.calls if message_of(body).startswith("Grade")]
        ann = rated(sheet, folder / "ann.csv", lambda words: words)
        bo = rated(sheet, folder / "bo.csv", lambda words: min(5, words + words % 2))
        told = checkout.step("judge", **given, ratings=f"{ann},{bo}").stdout
        agreed = calibrations(checkout)
        checkout.step("judge", **given, ratings=rated(sheet, folder / "contrary.csv", lambda words: 6 - words))
        foreign = folder / "foreign.csv"
        ids = re.compile(r"^r[0-9a-f]{12}(?=,)", flags=re.MULTILINE)
        foreign.write_text(ids.sub(lambda found: f"r{found[0][:0:-1]}", ann.read_text()))
        refused = checkout.step("judge", check=False, **given, ratings=foreign)
        withheld = checkout.step("judge", check=False, **given, context="withheld")
        estimators = checkout.step("judge", **given, estimators="sampled,expected_no_rationale").stdout
    assert (refused.returncode, withheld.returncode) == (4, 2)
    assert "context is withheld: answers to passages that cannot answer are not rated" in withheld.stderr
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        content = list(csv.DictReader(file))
    return Calibrated(checkout, content, told, agreed, calibrations(checkout), refused.stderr, estimators)


@pytest.fixture(scope="module")
def runs(calibrated: Calibrated) -> Iterator[list[Run]]:
    """The finished runs of the step, oldest first; the published metric's is the last."""
    given: dict[str, Any] = {"ratings": UNIEVAL, "score_column": "predict_scores.consistency"}
    given["human_columns"] = "scores.consistency"
    done = calibrated.checkout.mlflow_run("judge", **given, criteria="accuracy")
    assert "0.461376" in done.stdout + done.stderr
    mlflow.set_tracking_uri(calibrated.checkout.tracking_uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("ragft")
    assert experiment is not None
    finished = "attributes.status = 'FINISHED' and tags.`ragft.step` = 'judge'"
    yield client.search_runs([experiment.experiment_id], finished, order_by=["attributes.start_time ASC"])
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_the_sheet_is_blind_and_shuffled(calibrated: Calibrated) -> None:
    assert len(calibrated.sheet) == QUESTIONS
    shown = [name for name in calibrated.sheet[0] if not name.startswith("accuracy (1 = ")]
    assert shown == ["row", "question", "reference", "passages", "answer", "annotator"]
    numbers = [int(re.findall(r"\d+", row["question"])[0]) for row in calibrated.sheet]
    assert sorted(numbers) == list(range(3, QUESTIONS + 3)) != numbers
    assert not any(value for row in calibrated.sheet for name, value in row.items() if name.startswith("accuracy"))


def test_nothing_is_asked_where_passages_are_withheld(runs: list[Run]) -> None:
    evaluated = MlflowClient().search_runs(
        [runs[0].info.experiment_id], "tags.`ragft.step` = 'evaluate'", max_results=1000
    )
    assert {run.data.tags.get("ragft.context") for run in evaluated} - {None} == {"retrieved"}


def test_a_judge_that_agrees_is_calibrated_for_this_data(calibrated: Calibrated, runs: list[Run]) -> None:
    [record] = calibrated.after_agreement
    assert (record["criterion"], record["n"], record["source"]) == ("accuracy", QUESTIONS, "ann.csv, bo.csv: ann, bo")
    assert record["spearman"] > 0.7 and 0 < record["low"] < record["spearman"] < record["high"]
    metrics = runs[1].data.metrics
    assert metrics["agreement_accuracy/spearman"] == pytest.approx(record["spearman"], abs=1e-9)
    assert metrics["agreement_accuracy/passed"] == 1
    names = {name.removeprefix("agreement_accuracy/") for name in metrics}
    assert {"kappa", "pearson", "kendall", "human_kappa", "human_spearman", "length_spearman", "spearman_low"} <= names
    assert "people among themselves" in calibrated.told
    assert "passed: accuracy: its rank correlation with people is" in calibrated.told
    artifacts = {entry.path for entry in MlflowClient().list_artifacts(runs[1].info.run_id)}
    assert {"agreement.json", "confusion_accuracy.png"} <= artifacts


def test_a_judge_that_disagrees_replaces_what_was_known(calibrated: Calibrated) -> None:
    [record] = calibrated.after_disagreement
    assert record["source"] == "contrary.csv: contrary"
    assert record["spearman"] < 0


def test_a_sheet_of_other_answers_is_refused(calibrated: Calibrated) -> None:
    assert f"none of the {QUESTIONS} rated rows is among these {QUESTIONS} answers" in calibrated.refused


def test_two_estimators_are_held_against_each_other(calibrated: Calibrated, runs: list[Run]) -> None:
    said = r"on (\d+) answers: Spearman (\S+), mean difference \S+, (\d+) differ by more than 1"
    found = re.search(f"accuracy: expected_no_rationale beside sampled {said}", calibrated.estimators)
    assert found is not None
    far = sum(abs(words_of(n) - 3) > 1 for n in range(3, QUESTIONS + 3) if n % 8 == 0)
    assert (int(found[1]), int(found[3])) == (QUESTIONS, far)
    assert 0.7 < float(found[2]) < 1
    [run] = [run for run in runs if "estimators_accuracy/spearman" in run.data.metrics]
    assert run.data.metrics["estimators_accuracy/n_far"] == far


def test_the_published_correlations_of_unieval_come_out(runs: list[Run]) -> None:
    rows = json.loads((ROOT / UNIEVAL).read_text(encoding="utf-8"))
    metrics = runs[-1].data.metrics
    assert metrics["agreement_accuracy/n"] == len(rows) == 239
    found = [f"{metrics[f'agreement_accuracy/{name}']:.6f}" for name in ("pearson", "spearman", "kendall")]
    assert found == ["0.461376", "0.487920", "0.399218"]
    assert metrics["agreement_accuracy/passed"] == 0
