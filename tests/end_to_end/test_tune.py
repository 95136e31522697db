"""A tune of the tiny model with the real steps: the trials look at dev, the best is compared once on test."""

import csv
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store
from registry.markdown import inline
from tests.end_to_end.conftest import Checkout
from tests.torture.small_study import make_study

TRIALS = 3


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, Any], str]:
    """A home after a tune, the tune's parameters, and what it printed."""
    folder: Path = tmp_path_factory.mktemp("tune")
    made = make_study(folder / "data")
    shared = {name: made[name] for name in ("dataset", "path", "documents", "base", "samples", "max_new_tokens")}
    checkout = Checkout(folder / "home", made["base"])
    params = {
        **shared,
        "trials": TRIALS,
        "space": "learning_rate=1e-3..1e-1;format=closed_book,retrieved",
        "objective": "answer_f1",
        "epochs": 1,
        "judge": "none",
        "context": "retrieved",
    }
    return checkout, params, checkout.mlflow_run("tune", **params).stdout


def test_the_best_on_dev_is_compared_on_test_and_says_from_how_many_it_was_chosen(
    tuned: tuple[Checkout, dict[str, Any], str],
) -> None:
    checkout, _, said = tuned
    mlflow.set_tracking_uri(checkout.tracking_uri)
    client = MlflowClient()
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    steps = [run.data.tags["ragft.step"] for run in runs]
    assert (steps.count("tune"), steps.count("tune trial"), steps.count("compare")) == (1, TRIALS, 1)
    of = {step: [run for run in runs if run.data.tags["ragft.step"] == step] for step in set(steps)}
    (tune,), (comparison,) = of["tune"], of["compare"]
    assert {run.data.tags["mlflow.parentRunId"] for run in (*of["tune trial"], comparison)} == {tune.info.run_id}
    assert comparison.data.tags["ragft.split"] == "test"
    # What chose is dev: every evaluation but the two of the comparison.
    splits = sorted(run.data.tags["ragft.split"] for run in of["evaluate"] if "ragft.split" in run.data.tags)
    assert splits == ["dev"] * TRIALS + ["test"] * 2
    table = Path(client.download_artifacts(tune.info.run_id, "trials.csv"))
    rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    values = [float(row["answer_f1"]) for row in rows]
    assert values == [run.data.metrics["tuned_answer_f1"] for run in sorted(of["tune trial"], key=_number)]
    best = rows[values.index(max(values))]
    assert comparison.data.tags["ragft.version"] == tune.data.tags["ragft.version"] == best["version"]
    chosen = f"{TRIALS} trials by answer_f1 on dev"
    assert f"{best['version']}, chosen from {chosen}" in said
    description = client.get_model_version(*best["version"].removeprefix("models:/").split("/")).description
    card = Path(client.download_artifacts(comparison.info.run_id, "model_card.md")).read_text(encoding="utf-8")
    for text in (str(description), card):
        assert f"the best of {inline(chosen)}" in text
    checks = mlflow.artifacts.load_dict(f"runs:/{comparison.info.run_id}/comparison.json")["checks"]
    assert any(f"it is the best of {chosen}" in check["detail"] for check in checks)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def _number(run: Any) -> int:  # noqa: ANN401 - MLflow's run
    return int(run.data.tags["ragft.trial"])


def test_every_trial_is_a_look_at_dev_and_the_best_alone_at_test(tuned: tuple[Checkout, dict[str, Any], str]) -> None:
    checkout, _, _ = tuned
    with open_store(None, checkout.home) as store, store.transaction() as cursor:
        looks = cursor.execute("SELECT split_part(data, ' ', 4), outcome FROM trials ORDER BY 1, 2").fetchall()
        claims = cursor.execute("SELECT attempts, finished IS NOT NULL FROM claims").fetchall()
    leave_embedded(checkout.home)
    assert [split for split, _ in looks] == ["dev"] * TRIALS + ["test"]
    assert all(outcome.startswith("answer_f1 ") and outcome.endswith(" in a tune") for _, outcome in looks[:TRIALS])
    assert claims == [(1, True)] * (TRIALS + 1)


def test_the_same_command_computes_nothing_and_prints_the_same_table(
    tuned: tuple[Checkout, dict[str, Any], str],
) -> None:
    checkout, params, first = tuned
    said = checkout.step("tune", **params).stdout
    assert f"{TRIALS} trials, of which {TRIALS} are done" in said
    table = [line for line in first.splitlines() if "  done " in line]
    assert len(table) == TRIALS
    assert [line for line in said.splitlines() if "  done " in line] == table
    assert said.splitlines()[-2:] == first.splitlines()[-2:], "what was chosen, and what test says of it"
