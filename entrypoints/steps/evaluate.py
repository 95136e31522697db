"""Evaluate: retrieve, generate, judge; each context is a run with the same metrics."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from mlflow.data.dataset import Dataset
from mlflow.exceptions import MlflowException

from entrypoints.steps import evaluate_file
from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.shared import judges, scoring, traces
from entrypoints.steps.shared.answered_rows import rows_of
from entrypoints.steps.shared.evaluation import Evaluation, Made
from entrypoints.steps.shared.health import health_of
from entrypoints.steps.shared.judges import Judge
from entrypoints.steps.shared.model_under_test import (
    Subject,
    find_version,
    load_subject,
    require_held_out,
    served_as,
    settle,
    subject_tags,
)
from entrypoints.steps.shared.preparation import ensure_prepared, has_documents, only_available
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.retrieved import RetrievedSplit, retrieve
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.searching import searched_by
from entrypoints.steps.shared.verifiers import ChecksFor
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verdict.health import Health
from ragft.data.splits import balanced_subset
from ragft.errors import DataError
from ragft.judging.g_eval import Item
from ragft.lists import first_of
from ragft.models.answering import answer_questions
from ragft.params.scoring import EvaluateParams
from ragft.prompts.answer import AnswerPrompt, load_answer_prompt
from ragft.prompts.criterion import Criterion, load_criteria
from ragft.served_as import NONE
from ragft.store.datasets import Preparation
from ragft.types import DECIDING, WITHHELD, Answer, Context, Split, digest
from ragft.verifying import Checks
from registry.versions import Version

Judging = tuple[Judge | None, Sequence[Criterion]]


@dataclass(frozen=True)
class Answered:
    """What the model under test answered.

    Attributes:
        found: The questions that were asked, and what they can be answered from.
        answers: Context -> question id -> answer.
    """

    prepared: Prepared[EvaluateParams]
    subject: Subject
    found: RetrievedSplit
    answers: Mapping[Context, Mapping[str, Answer]]


def run(
    params: EvaluateParams,
    workspace: Workspace,
    preparation: Preparation | None = None,
    checks: ChecksFor | None = None,
) -> list[Evaluation]:
    """Return an evaluation for each context, each logged as a run; with several, nested in one.

    ``preparation`` is that of the data, where the step that asks has it. Where ``checks`` gives any for how the answers
    are made, what leaves is scored in place of what the model wrote.

    Raises:
        ConfigError: If a parameter cannot be used.
        PrerequisiteError: If the data, the base or the version is not there, or the adapter does nothing.
        DataError: If a file cannot be read, or no question is left.
    """
    criteria, prompt = load_criteria(params.criteria), load_answer_prompt(params.prompt)
    if params.answers:
        return [evaluate_file.run(params, criteria, workspace)]
    version = find_version(params)
    settled = settle(params, version)
    tags = {"ragft.step": "evaluate", "ragft.prompt_sha256": prompt.sha256}
    with ExitStack() as stack, step_run(settled, f"{settled.data_name}|evaluate", tags, workspace.home):
        if preparation is None:
            require_held_out(version, settled, workspace)
        prepared = _prepare(params, settled, preparation, workspace)
        found = _retrieve(prepared, workspace)
        subject = _load(prepared, version, workspace, stack)
        answered = _answer(prepared, found, subject, prompt, workspace)
        made = _made(answered, DECIDING)
        if checks and made and (held := checks(made)):
            answered = _checked(answered, held)
            tags[tracking.CHECKED_TAG] = digest(held.promise.to_json())
        judging = _open_judge(answered, criteria, workspace, stack)
        evaluations = _score(answered, judging, tags, workspace)
        _tell(answered, evaluations, workspace)
    return evaluations


def _prepare(
    given: EvaluateParams, settled: EvaluateParams, preparation: Preparation | None, workspace: Workspace
) -> Prepared[EvaluateParams]:
    """Return the parameters with the contexts that the data allow, and the data."""
    if not given.context:
        workspace.say(f"contexts: {', '.join(settled.contexts())} (the usual ones of {settled.base})")
    preparation = preparation or ensure_prepared(settled, workspace)
    return Prepared(only_available(settled, preparation, workspace), preparation)


def _retrieve(prepared: Prepared[EvaluateParams], workspace: Workspace) -> RetrievedSplit:
    """Return the questions of the split, or as many as were asked for, with their passages."""
    params, preparation = prepared.params, prepared.preparation
    split: Split = params.split  # type: ignore[assignment]  # checked by the params
    questions = preparation.splits[split]
    if not questions:
        there = ", ".join(f"{name} {len(found)}" for name, found in preparation.splits.items())
        raise DataError(
            f"the split {split} of {preparation.name} has no questions (it has {there}): choose another split"
        )
    chosen = balanced_subset(questions, params.questions) if params.questions else questions
    return retrieve(params, preparation, split, chosen, workspace, withheld=WITHHELD in params.contexts())


def _load(
    prepared: Prepared[EvaluateParams], version: Version | None, workspace: Workspace, stack: ExitStack
) -> Subject:
    """Return the model under test; a registered base is the base itself."""
    adapter = None if version is None or version.lineage.kind == "base" else version
    return load_subject(prepared, adapter, workspace, stack)


def _answer(
    prepared: Prepared[EvaluateParams],
    found: RetrievedSplit,
    subject: Subject,
    prompt: AnswerPrompt,
    workspace: Workspace,
) -> Answered:
    """Return the model's answers in each context, what is in the store included."""
    params = prepared.params
    by_context: dict[Context, dict[str, Answer]] = {}
    for name in params.contexts():
        context: Context = name  # type: ignore[assignment]  # checked by the params
        passages = found.context(context)
        questions = [question for question in found.questions if question.id in passages]
        if not questions:
            workspace.alert(f"the context {context} is left out: {found.why_not(context, params)}")
            continue
        with workspace.progress("answer", part=f"({context})") as line:
            answers = answer_questions(
                workspace.store,
                subject.writer(params.context_window),
                prompt,
                questions,
                passages,
                max_new_tokens=params.max_new_tokens,
                golden=found.kept_longest(context),
                on_progress=line.tell,
            )
        by_context[context] = {answer.question_id: answer for answer in answers}
        if too_long := [question.id for question in questions if question.id not in by_context[context]]:
            workspace.alert(
                f"{len(too_long)} of {len(questions)} questions do not fit the model's context window even without "
                f"passages and are left out ({context}): {first_of(too_long)}"
            )
    if not by_context:
        raise DataError(f"no question can be asked in the context {params.context}: ask in the context retrieved")
    return Answered(prepared, subject, found, by_context)


def _checked(answered: Answered, checks: Checks) -> Answered:
    """Return the answers with what leaves in place of each; without passages nothing can support one, so all leave."""
    by_context = dict(answered.answers)
    for context, answers in answered.answers.items():
        if context == NONE:
            continue
        shown = answered.found.context(context)
        asked = [question for question in answered.found.questions if question.id in answers]
        items = [
            Item(q.text, answers[q.id].text, (), tuple(p.text for p in shown[q.id] if p.id in answers[q.id].passages))
            for q in asked
        ]
        by_context[context] = {
            question.id: dataclasses.replace(
                answers[question.id], written=dataclasses.replace(answers[question.id].written, text=reply.answer)
            )
            for question, reply in zip(asked, checks.replies(items), strict=True)
        }
    return dataclasses.replace(answered, answers=by_context)


def _open_judge(answered: Answered, criteria: Sequence[Criterion], workspace: Workspace, stack: ExitStack) -> Judging:
    """Return the judge, and the criteria with the steps it grades by."""
    params, subject = answered.prepared.params, answered.subject
    judge = judges.open_judge(params, subject, workspace, stack)
    complete = judges.with_judges_steps(criteria, judge, workspace)
    judges.warn_of_family(params, {subject.variant: subject.base}, workspace)
    return judge, complete


def _score(answered: Answered, judging: Judging, tags: Mapping[str, Any], workspace: Workspace) -> list[Evaluation]:
    """Return the evaluation of each context's answers, each logged to its run."""
    (judge, criteria), found, subject = judging, answered.found, answered.subject
    params, preparation = answered.prepared.params, answered.prepared.preparation
    name = tracking.run_name(preparation.name, subject.samples, subject.variant)
    tags = {**tags, **_tags(subject, params, preparation), "ragft.collection": found.collection}
    tags |= searched_by(found.search)
    calibrations = judges.known_calibrations(workspace.store, judge, criteria, params, preparation.dataset)
    evaluations = []
    for context, answers in answered.answers.items():
        rows = rows_of(found, context, answers, params.top_k)
        with _context_run(params, name, context, {**tags, "ragft.context": context}, workspace):
            # What was shown, and whether answers were checked, makes them answers to another task.
            shown = [found.collection, params.top_k, found.search.made_of] if context != NONE else []
            data = tracking.log_data(
                preparation.name,
                preparation.dataset,
                params.split,
                found.questions,
                context,
                made_of=[*shown, tags.get(tracking.CHECKED_TAG, "")],
            )
            evaluation = (
                scoring.score_withheld(rows, criteria, judge, params, workspace)
                if context == WITHHELD
                else scoring.score(rows, criteria, judge, params, workspace)
            )
            evaluation = dataclasses.replace(
                evaluation,
                name=name,
                context=context,
                conditions={**evaluation.conditions, **_conditions(answered, answers)},
                data_sha256=preparation.dataset,
                calibrations=calibrations,
                model=subject.title,
                model_id=subject.model_id,
                checked=tags.get(tracking.CHECKED_TAG, ""),
            )
            _show_in_mlflow(evaluation, data, params, workspace)
        evaluations.append(_with_serving(evaluation, answered))
    return evaluations


def _show_in_mlflow(evaluation: Evaluation, data: Dataset, params: EvaluateParams, workspace: Workspace) -> None:
    """Put the metrics on the model's own page, and make the answers traces; the run has everything without these."""
    if evaluation.model_id:
        try:
            tracking.link_metrics(evaluation.metrics, evaluation.model_id, data)
        except MlflowException as error:
            workspace.alert(f"the metrics are not on the page of {evaluation.model}, MLflow said: {error.message}")
    traces.write(evaluation, params, workspace)


def _with_serving(evaluation: Evaluation, answered: Answered) -> Evaluation:
    """Return the evaluation with how its answers were made, where that is known."""
    made = _made(answered, evaluation.context)
    if made is None:
        return evaluation
    return dataclasses.replace(evaluation, served_as=made.served_as, collection=made.collection, engine=made.engine)


def _made(answered: Answered, context: str) -> Made | None:
    """Return how the answers in a context were made; None of a model behind a server, of which that is not known."""
    params, preparation = answered.prepared.params, answered.prepared.preparation
    subject = answered.subject
    if subject.described is None:
        return None
    # Passages that were given are of this comparison: a version is served with its own, if it has documents.
    context = context if has_documents(preparation) else NONE
    return Made(
        served_as(params, _asked_as(params, subject), context, preparation, subject.described),
        answered.found.collection,
        subject.engine.engine if subject.engine is not None else "",
    )


def _asked_as(params: EvaluateParams, subject: Subject) -> EvaluateParams:
    """Return the parameters with the window that decided: an engine may have a smaller one than the model."""
    if subject.engine is None or subject.engine.window == subject.engine.described.context_window:
        return params
    return dataclasses.replace(params, context_window=subject.engine.narrowed(params.context_window).window)


def _context_run(params: EvaluateParams, name: str, context: str, tags: Mapping[str, Any], workspace: Workspace) -> Any:  # noqa: ANN401
    """Return the step's own run where there is one context, a nested one where there are several."""
    if len(params.contexts()) == 1:
        return tracking.named(name, tags)
    return step_run(dataclasses.replace(params, context=context), f"{name}|{context}", tags, workspace.home)


def _tell(answered: Answered, evaluations: Sequence[Evaluation], workspace: Workspace) -> None:
    """Say the metrics of each context, and what an adapter forgot."""
    subject, params = answered.subject, answered.prepared.params
    data = f"{len(answered.found.questions)} questions of {answered.prepared.preparation.name} {params.split}"
    scoring.show(evaluations, f"{subject.title} on {data}", workspace)
    for each in evaluations:
        if each.context == DECIDING:
            tell_health(health_of({subject.variant: each}, tuple(each.scores)), workspace)
    if subject.version is not None:
        forgetting.tell(subject.version, workspace, "  ")


def tell_health(health: Health, workspace: Workspace) -> None:
    """Say whether the scores are to be believed at all."""
    if health.line:
        workspace.say(f"  health: {health.line}")
    for fault in health.faults:
        workspace.alert(f"These scores cannot be trusted: {health.why(fault)}")


def looked_at(preparation: Preparation, split: str) -> str:
    """Return the name under which the ledger of looks knows the questions of a split."""
    return f"{preparation.dataset} seed {preparation.settings['data_seed']} {split}"


def _conditions(answered: Answered, answers: Mapping[str, Answer]) -> dict[str, str]:
    """Return what was asked of what, beside the judge: the other side of a comparison must have the same."""
    params, preparation = answered.prepared.params, answered.prepared.preparation
    searched = answered.found.search.made_of
    return {
        "data": looked_at(preparation, params.split),
        "retrieval": digest([answered.found.collection, params.top_k, *([searched] if searched else [])]),
        "messages": digest(sorted((question, answer.prompt) for question, answer in answers.items())),
    }


def _tags(subject: Subject, params: EvaluateParams, preparation: Preparation) -> dict[str, Any]:
    return {
        **subject_tags(subject, params, preparation),
        "ragft.split": params.split,
        "ragft.top_k": params.top_k,
        "ragft.estimator": params.estimator,
    }
