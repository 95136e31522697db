"""Promote and roll back as the docs say, on the untouched split, and with kill -9 in the middle."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.end_to_end.conftest import ROOT, Checkout
from tests.end_to_end.test_kills import kill_in
from tests.end_to_end.test_readme import parse
from tests.tiny_model import make_tiny_model

DOCS = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
NAME = "ragft-qasper-tiny"
QUICK: dict[str, Any] = {"max_new_tokens": 8, "estimator": "expected_no_rationale"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, papers: Path) -> Checkout:
    """A home with a base and one adapter; the docs' commands are run on it, in their order."""
    folder = tmp_path_factory.mktemp("promotion")
    made = Checkout(folder, make_tiny_model(folder / "tiny"))
    made.step("setup")
    given: dict[str, Any] = {"dataset": "qasper", "path": papers, "base": made.base}
    made.step("finetune", **given, samples=4, epochs=2, learning_rate=0.01)
    return made


def aliases(checkout: Checkout) -> dict[str, int]:
    return {name: int(number) for name, number in client(checkout).get_registered_model(NAME).aliases.items()}


def client(checkout: Checkout) -> MlflowClient:
    return MlflowClient(tracking_uri=checkout.tracking_uri, registry_uri=checkout.tracking_uri)


def test_the_commands_of_the_docs(trained: Checkout) -> None:
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    steps = [parse(line) for line in lines if line]
    assert [step for step, _ in steps] == ["promote", "promote", "rollback"]
    first = client(trained).get_model_version(NAME, "2").description
    assert first is not None
    assert "Not compared with the champion yet" in first

    (step, params), forced, back = steps
    trained.mlflow_run(step, **params, **QUICK, base=trained.base)
    assert aliases(trained) == {"champion": 1, "challenger": 2}
    check_confirm(trained)

    trained.mlflow_run(forced[0], **forced[1], **QUICK, base=trained.base)
    assert aliases(trained) == {"champion": 2, "previous": 1}
    card = client(trained).get_model_version(NAME, "2").description
    assert card is not None
    assert "**Verdict: promote**, by a person and against the gate." in card

    trained.mlflow_run(back[0], **back[1], base=trained.base)
    assert aliases(trained) == {"champion": 1}


def check_confirm(checkout: Checkout) -> None:
    """The untouched split was asked, the decision recorded, the card completed, as description and as artifact."""
    found = client(checkout)
    experiment = found.get_experiment_by_name("ragft")
    assert experiment is not None
    compared = found.search_runs([experiment.experiment_id], "tags.`ragft.step` = 'compare'")
    assert [run.data.tags["ragft.split"] for run in compared] == ["confirm"]
    version = found.get_model_version(NAME, "2")
    assert version.tags["ragft.decision"] == "inconclusive"
    assert version.tags["ragft.decision_run"] == compared[0].info.run_id
    assert "questions of confirm in" in (version.description or "")
    promoted = found.search_runs([experiment.experiment_id], "tags.`ragft.step` = 'promote'")
    for run in (*compared, *promoted):
        card = Path(found.download_artifacts(run.info.run_id, "model_card.md")).read_text(encoding="utf-8")
        assert card.splitlines()[:12] == (version.description or "").splitlines()[:12]
        assert "| accuracy | retrieved | all |" in card
        assert "| answerable |" not in card  # three questions: a part of them tells nothing
        assert "## How to load" in (version.description or "")


def test_a_killed_promotion_is_completed_by_the_same_command(trained: Checkout) -> None:
    again: dict[str, Any] = {**QUICK, "dataset": "qasper", "base": trained.base, "model": f"models:/{NAME}/2"}
    again |= {"force": True, "reason": "we read them again"}
    kill_in(trained, "promote.recorded", "promote", again)
    assert aliases(trained)["champion"] == 1
    done = trained.step("promote", **again)
    assert f"a promotion was cut short and is completed: champion of {NAME} moved from version 1 to 2" in done.stdout
    assert aliases(trained) == {"champion": 2, "previous": 1}
    assert client(trained).get_model_version(NAME, "2").tags["ragft.forced"] == "we read them again"


def test_a_killed_rollback_is_not_done_twice(trained: Checkout) -> None:
    given: dict[str, Any] = {"dataset": "qasper", "base": trained.base}
    kill_in(trained, "promote.previous", "rollback", given)
    done = trained.step("rollback", **given)
    assert f"a rollback was cut short and is completed: champion of {NAME} moved from version 2 to 1" in done.stdout
    assert aliases(trained) == {"champion": 1}
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_people_correct_the_judge_by_the_commands_of_the_docs(trained: Checkout, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8").partition("## People correct the judge")[2]
    block = re.search(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    (step, ratings), (counting, params) = (parse(line) for line in block[1].splitlines())
    assert (step, counting) == ("judge", "compare")
    shared: dict[str, Any] = {**QUICK, "base": trained.base, "model": f"models:/{NAME}/2", "primary": "accuracy"}
    before = trained.step(counting, **{**params, "uniform_labels": False}, **shared).stdout
    assert "both together" not in before
    (tmp_path / ratings["ratings"]).write_text(labels_of_both_sides(trained), encoding="utf-8")
    ratings["ratings"] = str(tmp_path / ratings["ratings"])
    kept = trained.mlflow_run(step, **ratings).stdout
    assert re.search(r"kept \d+ labels of \d+ answers under accuracy", kept)
    after = trained.mlflow_run(counting, **params, **shared).stdout
    assert "a uniform sample, as uniform_labels says" in after
    assert "people: 3 pairs of answers have labels under accuracy by ann" in after
    # What a tiny model says as a judge cannot be read, so people alone have a row, and both together say the same.
    assert re.findall(r"^ *accuracy +(people alone|both together) +\+1.00 ", after, re.MULTILINE) == [
        "people alone",
        "both together",
    ]


def labels_of_both_sides(checkout: Checkout) -> str:
    """Return a table in which a person found every answer of the version better by a point than the base's."""
    found = client(checkout)
    experiment = found.get_experiment_by_name("ragft")
    assert experiment is not None
    asked = "tags.`ragft.context` = 'retrieved' and tags.`ragft.split` = 'test'"
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["question", "answer", "annotator", "accuracy"])
    for run in found.search_runs([experiment.experiment_id], asked, max_results=2):
        path = found.download_artifacts(run.info.run_id, "rows.json")
        table = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        value = 3 if run.data.tags["ragft.model"] == "base" else 4
        writer.writerows([row["input"], row["output"], "ann", value] for row in rows)
    return written.getvalue()
