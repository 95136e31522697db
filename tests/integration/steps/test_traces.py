"""Answers as traces in a real MLflow: whole, once, and never in the way of the evaluation."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient

from entrypoints.steps.shared import traces
from entrypoints.steps.shared.scoring import item_of
from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.sheet import Ratings, row_id
from ragft.params.scoring import EvaluateParams
from ragft.store.connection import Store
from tests.integration import traced
from tests.integration.conftest import StartScript


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store in sqlite for the module; each test has an experiment of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('traces') / 'mlflow.db'}"


@pytest.fixture
def experiment(uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    mlflow.set_tracking_uri(uri)
    yield mlflow.create_experiment(request.node.name, artifact_location=tmp_path.as_uri())
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_an_answer_is_one_trace_in_however_many_runs(experiment: str, store: Store) -> None:
    traced.check(experiment, store)


def test_a_killed_command_leaves_nothing_half_that_the_next_does_not_complete(
    experiment: str, uri: str, dsn: str, store: Store, start_script: StartScript
) -> None:
    killed = start_script("write_traces", dsn, uri, experiment, "traces.write")
    assert killed.stderr is not None
    assert any(line.startswith("held at: traces.write") for line in killed.stderr)
    killed.kill()
    killed.wait()
    begun = MlflowClient().search_traces(locations=[experiment], include_spans=False)
    assert [trace.info.tags.get("mlflow.trace.spansLocation") for trace in begun] == [None] * 3
    MlflowClient().delete_traces(experiment, trace_ids=[begun[0].info.trace_id])
    found = traced.of_run(experiment, traced.write(experiment, store))
    assert {id_: len(trace.data.spans) for id_, trace in found.items()} == {"q1": 4, traced.LONG[:50]: 4, "q3": 3}
    assert len(MlflowClient().search_traces(locations=[experiment])) == 3
    assert "accuracy" in traced.said_of(found["q1"])


def test_where_mlflow_takes_no_traces_the_evaluation_goes_on(
    experiment: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: TracingClient, location: str, spans: object) -> None:
        raise MlflowException("the disk is full")

    said: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(TracingClient, "log_spans", refuse)
        run_id = traced.write(experiment, store, said)
    assert [line.partition(" of run ")[0] for line in said] == ["3 of 3 answers did not become traces"]
    assert "the disk is full; nothing else is missing. The same command writes them" in said[0]
    assert MlflowClient().get_run(run_id).info.status == "FINISHED"
    assert len(traced.of_run(experiment, traced.write(experiment, store))) == 3


def test_what_people_say_is_added_once_and_a_later_label_replaces_it(experiment: str, store: Store) -> None:
    run_id = traced.write(experiment, store)
    evaluation = traced.evaluation(run_id)
    row = row_id(store.secret, item_of(traced.ROWS[0]))
    for anns in (2.0, 4.0):
        ratings = Ratings(("ann", "bob", "eve"), {"accuracy": {row: (anns, 5.0, None)}, "faithfulness": {}})
        traces.add_labels([evaluation], ratings, traced.PARAMS, Workspace(Path(), store, print))
    found = traced.of_run(experiment, run_id)
    labels = {
        (each.name, each.source.source_id): each.feedback.value
        for each in found["q1"].info.assessments
        if each.feedback and each.source.source_type == "HUMAN"
    }
    assert labels == {("accuracy", "ann"): 4.0, ("accuracy", "bob"): 5.0}
    assert len(found["q1"].info.assessments) == 6
    assert len(found["q1"].data.spans) == 4
    assert not [each for each in found["q3"].info.assessments if each.source.source_type == "HUMAN"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, True),
        ({"traces": "False"}, False),
        ({"judge": "none"}, False),
        ({"judge": "none", "traces": "True"}, True),
        ({"estimator": "expected"}, False),
        ({"context": "withheld"}, False),
        ({"context": "withheld,retrieved"}, True),
    ],
)
def test_by_default_traces_are_written_where_a_judge_takes_far_longer(given: dict[str, str], wanted: bool) -> None:
    params = dataclasses.replace(EvaluateParams(judge="pocket", context="retrieved"), **given)  # type: ignore[arg-type]
    assert traces.are_wanted(params) is wanted


def test_nothing_is_written_where_none_are_wanted(experiment: str, store: Store) -> None:
    traced.write(experiment, store, params=dataclasses.replace(traced.PARAMS, traces="False"))
    assert not MlflowClient().search_traces(locations=[experiment])
