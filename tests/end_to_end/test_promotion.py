"""Promote and roll back as the docs say, on the untouched split, and with kill -9 in the middle."""

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
