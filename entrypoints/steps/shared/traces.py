"""An evaluation's answers as MLflow traces: what was retrieved, generated and judged, and what people say of it.

A trace's id is the hash of everything it shows, so the same answer, judged the same, is one trace in however many runs
it stands: a second run links what is there. A killed command that is run again writes what is missing, never twice.
"""

import dataclasses
import functools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import (
    Assessment,
    AssessmentSource,
    Expectation,
    Feedback,
    Span,
    SpanType,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpanAttributeKey, TokenUsageKey, TraceMetadataKey, TraceTagKey

from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.scoring import item_of
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.judging.sheet import Ratings, row_id
from ragft.params.scoring import ScoringParams
from ragft.params.values import AUTO, NO_JUDGE, YES
from ragft.store.kill_points import kill_point
from ragft.types import WITHHELD, Score, digest

# MLflow links at most so many traces to a run in one request.
TRACES_AT_ONCE = 100
# What MLflow keeps of a question and an answer beside the spans, to list them.
PREVIEW_CHARACTERS = 1000
MOST_OF_A_NAME = 250
MOST_OF_AN_ID = 50
# The name under which MLflow's own tables show a reference.
EXPECTED = "expected_response"
# What is known of an answer beside its tokens.
FACTS = ("cut", "dropped_passages", "dropped_gold")
# The source of what a rule says of an answer.
RULE = AssessmentSource("CODE", "ragft")

# Criterion -> person -> a number, None where that person gave none.
Labels = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Shown:
    """What a trace shows of one answer.

    Attributes:
        scores: Criterion -> the judge's score.
        made_by: "model", and where it was judged "judge" and "estimator", in words.
        model_id: The LoggedModel that answered; "" where there is none.
        labels: What people say of the answer; no part of the trace's identity, since it comes later.
    """

    experiment: str
    context: str
    row: Scored
    scores: Mapping[str, Score]
    made_by: Mapping[str, str]
    model_id: str = ""
    labels: Labels = field(default_factory=dict)

    @functools.cached_property
    def id(self) -> str:
        """The trace's id, the hash of everything that it shows."""
        scores = {name: dataclasses.asdict(score) for name, score in self.scores.items()}
        made_by = [dict(self.made_by), self.model_id]
        return f"tr-{digest([self.experiment, self.context, dataclasses.asdict(self.row), scores, made_by])[:32]}"


def are_wanted(params: ScoringParams) -> bool:
    """Return whether answers become traces; of its own accord only where a judge's work takes far longer.

    MLflow 3.17 takes about 12 ms of CPU time for a trace; pocket takes two or three times that for an answer, and with
    ten sampled judgements under two criteria fifty times or more (`benchmarks/traces.py`).
    """
    if params.traces != AUTO:
        return params.traces == YES
    return params.judge != NO_JUDGE and params.estimator == "sampled" and set(params.contexts()) != {WITHHELD}


def write(evaluation: Evaluation, params: ScoringParams, workspace: Workspace) -> None:
    """Make the evaluation's answers traces of its run, where they are wanted.

    Answers and scores are kept before: where MLflow takes no traces the evaluation goes on without them.
    """
    if are_wanted(params):
        _keep(_shown(evaluation, params), evaluation.run_id, workspace)


def add_labels(
    evaluations: Sequence[Evaluation], ratings: Ratings, params: ScoringParams, workspace: Workspace
) -> None:
    """Add to the traces of the evaluations what people say of their answers, each label once.

    Equal answers stand on one row of a sheet, and all their traces take its labels.
    """
    for evaluation in evaluations if are_wanted(params) else ():
        rated = []
        for shown in _shown(evaluation, params):
            row = row_id(workspace.store.secret, item_of(shown.row))
            said = {
                name: dict(zip(ratings.annotators, rows[row], strict=True))
                for name, rows in ratings.numbers.items()
                if row in rows
            }
            if said:
                rated.append(dataclasses.replace(shown, labels=said))
        _keep(rated, evaluation.run_id, workspace)


def _shown(evaluation: Evaluation, params: ScoringParams) -> list[Shown]:
    """Return what the traces show; a question that a file of answers leaves out has none."""
    made_by = {"model": evaluation.model}
    if judged_by := evaluation.judged_by:
        made_by |= {"judge": judged_by.name, "estimator": params.estimator_name}
    experiment = MlflowClient().get_run(evaluation.run_id).info.experiment_id
    return [
        Shown(
            experiment,
            evaluation.context,
            row,
            {name: scores[place] for name, scores in evaluation.scores.items()},
            made_by,
            evaluation.model_id,
        )
        for place, row in enumerate(evaluation.rows)
        if row.given
    ]


def _keep(shown: Sequence[Shown], run_id: str, workspace: Workspace) -> None:
    """Write the traces that are not there yet and link the others to the run, in batches."""
    client, done = TracingClient(), 0
    try:
        with workspace.progress("traces") as line:
            while done < len(shown):
                batch = shown[done : done + TRACES_AT_ONCE]
                _write_batch(client, batch, run_id)
                done += len(batch)
                line.tell(done, len(shown))
    except (MlflowException, NotImplementedError) as error:
        said = str(error).strip().partition("\n")[0]
        workspace.alert(
            f"{len(shown) - done} of {len(shown)} answers did not become traces of run {run_id}, MLflow said: {said}; "
            "nothing else is missing. The same command writes them; -P traces=False goes without"
        )


def _write_batch(client: TracingClient, batch: Sequence[Shown], run_id: str) -> None:
    """Write what is missing of a batch: the traces one by one, which MLflow demands, their spans in one request."""
    there, now = _find(batch), int(time.time() * 1000)
    for each in batch:
        if each.id not in there:
            client.start_trace(_info(each, run_id, now))
        elif each.labels:
            # A trace that is written again keeps what it has. A person's later label replaces the earlier one.
            before = there[each.id]
            info = _info(each, before.trace_metadata.get(TraceMetadataKey.SOURCE_RUN, run_id), before.request_time)
            client.start_trace(dataclasses.replace(info, assessments=_identified(each.id, _labels(each), now)))
    kill_point("traces.write")
    bare = [each for each in batch if each.id not in there or TraceTagKey.SPANS_LOCATION not in there[each.id].tags]
    client.log_spans(batch[0].experiment, [span for each in bare for span in _spans(each, now)])
    if others := [id_ for id_, info in there.items() if info.trace_metadata.get(TraceMetadataKey.SOURCE_RUN) != run_id]:
        MlflowClient().link_traces_to_run(others, run_id)


def _find(batch: Sequence[Shown]) -> dict[str, TraceInfo]:
    """Return those of the traces that are there."""
    ids = sorted({each.id for each in batch})
    found = MlflowClient().search_traces(
        locations=[batch[0].experiment],
        filter_string=f"trace.request_id IN ({', '.join(map(repr, ids))})",
        max_results=len(ids),
        include_spans=False,
    )
    return {trace.info.trace_id: trace.info for trace in found}


def _info(shown: Shown, run_id: str, time_ms: int) -> TraceInfo:
    """Return the trace without its spans. How long it took is not known: answers are generated in batches."""
    metadata = {
        TraceMetadataKey.SOURCE_RUN: run_id,
        TraceMetadataKey.MODEL_ID: shown.model_id,
        TraceMetadataKey.TOKEN_USAGE: _tokens(shown.row),
    }
    return TraceInfo(
        trace_id=shown.id,
        trace_location=TraceLocation.from_experiment_id(shown.experiment),
        request_time=time_ms,
        state=TraceState.OK,
        request_preview=_storable(shown.row.question)[:PREVIEW_CHARACTERS],
        response_preview=_storable(shown.row.answer)[:PREVIEW_CHARACTERS],
        client_request_id=_storable(shown.row.id)[:MOST_OF_AN_ID],
        trace_metadata={key: value for key, value in metadata.items() if value},
        tags={
            TraceTagKey.TRACE_NAME: shown.context or "answer",
            "ragft.question": _storable(shown.row.id)[:MOST_OF_A_NAME],
            "ragft.context": shown.context,
            "ragft.model": shown.made_by["model"],
        },
        assessments=_identified(shown.id, [*_assessments(shown), *_labels(shown)], time_ms),
    )


def _assessments(shown: Shown) -> list[Assessment]:
    """Return what is expected, and what a rule and the judge say."""
    row, found = shown.row, list[Assessment]()
    if row.references:
        found.append(Expectation(EXPECTED, _storable("\nor: ".join(row.references)), AssessmentSource("CODE", "data")))
    if row.outcome:
        found.append(Feedback("outcome", row.outcome, source=RULE))
    judge = AssessmentSource("LLM_JUDGE", shown.made_by.get("judge", "")[:MOST_OF_A_NAME])
    for name, score in shown.scores.items():
        if score.value is not None:
            found.append(Feedback(name, score.value, source=judge, rationale=_storable(score.reason) or None))
        elif score.n_unscored:
            why = _storable(score.reason) or "unscored: none of the judge's replies could be read"
            found.append(Feedback(name, error=why, source=judge))
    return found


def _labels(shown: Shown) -> list[Assessment]:
    """Return what people say."""
    return [
        Feedback(name, value, source=AssessmentSource("HUMAN", _storable(who)[:MOST_OF_A_NAME]))
        for name, numbers in shown.labels.items()
        for who, value in numbers.items()
        if value is not None
    ]


def _identified(trace: str, assessments: Sequence[Assessment], time_ms: int) -> list[Assessment]:
    """Return the assessments of a trace with ids made of who says it, and of what: once written, each stays one."""
    for each in assessments:
        each.trace_id, each.create_time_ms, each.last_update_time_ms = trace, time_ms, time_ms
        each.assessment_id = f"a-{digest([trace, each.name, each.source.source_type, each.source.source_id])[:32]}"
    return list(assessments)


def _spans(shown: Shown, time_ms: int) -> list[Span]:
    """Return what happened, as spans without a length, in the order of its places; the root stands at place 0."""
    row, question = shown.row, {"question": shown.row.question}
    # The model is not named in MLflow's own attribute: it would look up a price, which litellm does over the network.
    made = {"model": shown.made_by["model"], **{name: row.facts[name] for name in FACTS if name in row.facts}}
    if tokens := _tokens(row):
        made[SpanAttributeKey.CHAT_USAGE] = json.loads(tokens)
    passages = [{"page_content": text, "metadata": {}} for text in row.passages]
    steps = [_Step("answer", SpanType.CHAIN, question, row.answer)]
    if passages:
        steps.append(_Step("retrieve", SpanType.RETRIEVER, question, passages, {"context": shown.context}))
    steps.append(_Step("generate", SpanType.LLM, {**question, "passages": len(passages)}, row.answer, made))
    if shown.scores:
        asked = {"answer": row.answer, "references": list(row.references)}
        said = {name: dataclasses.asdict(score) for name, score in shown.scores.items()}
        steps.append(_Step("judge", SpanType.EVALUATOR, asked, said, shown.made_by))
    return [_span(shown.id, step, place, time_ms) for place, step in enumerate(steps)]


@dataclass(frozen=True)
class _Step:
    """What a span shows."""

    name: str
    kind: str
    inputs: Any
    outputs: Any
    more: Mapping[str, Any] = field(default_factory=dict)


def _span(trace: str, step: _Step, place: int, time_ms: int) -> Span:
    attributes = {
        SpanAttributeKey.REQUEST_ID: trace,
        SpanAttributeKey.SPAN_TYPE: step.kind,
        SpanAttributeKey.INPUTS: step.inputs,
        SpanAttributeKey.OUTPUTS: step.outputs,
        **step.more,
    }
    root, own = (digest([trace, number])[:16] for number in (0, place))
    moment = time_ms * 1_000_000 + place  # a nanosecond apart, by which MLflow sorts them
    return Span.from_dict(
        {
            "trace_id": trace,
            "span_id": own,
            "parent_span_id": root if place else None,
            "name": step.name,
            "start_time_unix_nano": moment,
            "end_time_unix_nano": moment,
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": {key: _json(value) for key, value in attributes.items()},
        }
    )


def _tokens(row: Scored) -> str:
    """Return the tokens read and written, as MLflow keeps them; "" where another system answered."""
    if "prompt_tokens" not in row.facts:
        return ""
    read, written = int(row.facts["prompt_tokens"]), int(row.facts["answer_tokens"])
    return json.dumps(
        {
            TokenUsageKey.INPUT_TOKENS: read,
            TokenUsageKey.OUTPUT_TOKENS: written,
            TokenUsageKey.TOTAL_TOKENS: read + written,
        }
    )


def _json(value: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return JSON in which a search finds words in any script; lone surrogates stand as escapes."""
    return str(tracking.loggable(json.dumps(value, ensure_ascii=False)))


def _storable(text: str) -> str:
    """Return a text that every database keeps: without lone surrogates and NUL."""
    return str(tracking.loggable(text)).replace("\0", "\\x00")
