"""An evaluation of hand-made answers, written as traces, and what MLflow then has of it."""

from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Trace

from entrypoints.steps.shared import traces
from entrypoints.steps.shared.evaluation import Evaluation, JudgedBy, Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.scoring import NOT_APPLICABLE
from ragft.params.scoring import EvaluateParams
from ragft.store.connection import Store
from ragft.types import Score

TOKENS = {"answerable": True, "prompt_tokens": 40, "answer_tokens": 2, "cut": False, "dropped_passages": 0}
# Longer than MLflow's column for it.
LONG = "q2 of a very long name " * 5
ROWS = [
    Scored(
        "q1", "How much?", "$24", ("$24", "24 dollars"), ("The fee is $24.", "No fee."), facts=TOKENS, outcome="right"
    ),
    # What a database may refuse: a NUL, and half of a character; and what no search may lose.
    Scored(
        LONG, "Qui paie \0 ou \ud800, où ?", "personne \0", ("l'élève",), ("a \0 b",), facts=TOKENS, outcome="wrong"
    ),
    Scored("q3", "Who?", "I do not know.", (), (), facts=TOKENS, outcome="abstained"),
]
SCORES = {
    "accuracy": [
        Score("accuracy", 4.5, "it is \ud800 right", n_scored=2),
        Score("accuracy", None, n_unscored=2),
        Score("accuracy", 1.0),
    ],
    "faithfulness": [
        Score("faithfulness", 5.0, "so it says"),
        Score("faithfulness", 1.0),
        Score("faithfulness", None, NOT_APPLICABLE),
    ],
}
PARAMS = EvaluateParams(judge="pocket", context="retrieved")


def evaluation(run_id: str, model_id: str = "") -> Evaluation:
    """The answers as a run has them."""
    judged_by = JudgedBy("pocket", "identity", ())
    return Evaluation(
        run_id, {}, ROWS, SCORES, judged_by=judged_by, context="retrieved", model="models:/m/1", model_id=model_id
    )


def write(experiment: str, store: Store, said: list[str] | None = None, params: EvaluateParams = PARAMS) -> str:
    """Write the traces of a new run of an experiment and return the run's id."""
    with mlflow.start_run(experiment_id=experiment) as run:
        traces.write(
            evaluation(run.info.run_id), params, Workspace(Path(), store, ([] if said is None else said).append)
        )
    return str(run.info.run_id)


def of_run(experiment: str, run_id: str) -> dict[str, Trace]:
    """Question id -> the trace of a run."""
    found = MlflowClient().search_traces(locations=[experiment], run_id=run_id)
    assert len({trace.info.client_request_id for trace in found}) == len(found)
    return {str(trace.info.client_request_id): trace for trace in found}


def said_of(trace: Trace) -> dict[str, tuple[str, object]]:
    """Name of an assessment -> who says it, and what; each name once."""
    found = {each.name: (each.source.source_type, each) for each in trace.info.assessments}
    assert len(found) == len(trace.info.assessments)
    values = {name: each.expectation or each.feedback for name, (_, each) in found.items()}
    return {name: (source, values[name].value) for name, (source, _) in found.items()}  # type: ignore[union-attr]


def check(experiment: str, store: Store) -> None:
    """Write the answers in two runs, and look at what MLflow has."""
    first, second = (write(experiment, store) for _ in range(2))
    found = of_run(experiment, first)
    assert found.keys() == {"q1", LONG[:50], "q3"}
    assert {id_: trace.info.trace_id for id_, trace in found.items()} == {
        id_: trace.info.trace_id for id_, trace in of_run(experiment, second).items()
    }
    assert len(MlflowClient().search_traces(locations=[experiment])) == 3

    right, strange, without = (found[id_] for id_ in ("q1", LONG[:50], "q3"))
    assert [(span.name, span.span_type) for span in right.data.spans] == [
        ("answer", "CHAIN"),
        ("retrieve", "RETRIEVER"),
        ("generate", "LLM"),
        ("judge", "EVALUATOR"),
    ]
    answer, retrieve, generate, judge = right.data.spans
    assert (answer.inputs, answer.outputs) == ({"question": "How much?"}, "$24")
    assert [each["page_content"] for each in retrieve.outputs] == ["The fee is $24.", "No fee."]
    assert generate.attributes["mlflow.chat.tokenUsage"]["output_tokens"] == 2
    assert judge.outputs["accuracy"]["value"] == 4.5
    assert judge.attributes["estimator"] == "sampled x 10"
    assert {span.parent_id for span in right.data.spans} == {None, answer.span_id}
    assert right.info.token_usage == {"input_tokens": 40, "output_tokens": 2, "total_tokens": 42}
    assert said_of(right) == {
        "expected_response": ("CODE", "$24\nor: 24 dollars"),
        "outcome": ("CODE", "right"),
        "accuracy": ("LLM_JUDGE", 4.5),
        "faithfulness": ("LLM_JUDGE", 5.0),
    }
    reasons = {each.name: each.rationale for each in right.info.assessments}
    assert reasons["accuracy"] == "it is \\ud800 right"

    assert strange.info.response_preview == "personne \\x00"
    assert strange.data.spans[0].outputs == "personne \0"
    assert said_of(strange)["accuracy"] == ("LLM_JUDGE", None), "a score that cannot be read is an error, not a number"
    (unread,) = [each for each in strange.info.assessments if each.name == "accuracy"]
    assert unread.feedback is not None
    assert unread.feedback.error is not None
    assert "could be read" in str(unread.feedback.error.error_message)
    assert len(MlflowClient().search_traces(locations=[experiment], filter_string="trace.text LIKE '%où ?%'")) == 1

    assert [span.name for span in without.data.spans] == ["answer", "generate", "judge"]
    assert said_of(without) == {"outcome": ("CODE", "abstained"), "accuracy": ("LLM_JUDGE", 1.0)}
